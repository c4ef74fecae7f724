//! The proleptic Gregorian calendar in integers.
//!
//! Source: ISO 8601; the day counting is the usual one with eras of 400 years from March 1st.

pub(super) const DAY: i64 = 86_400_000;

/// A moment taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// 1 to 12
    pub(super) month: i64,
    /// 1 to 31
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) millisecond: i64,
}

impl Civil {
    pub(super) fn from_millis(millis: i64) -> Self {
        let (days, rest) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
        let (year, month, day) = date_of(days);
        Self {
            year,
            month,
            day,
            hour: rest / 3_600_000,
            minute: rest / 60_000 % 60,
            second: rest / 1000 % 60,
            millisecond: rest % 1000,
        }
    }

    /// Milliseconds since 1970; parts beyond their range carry over. `None` on overflow.
    pub(super) fn to_millis(self) -> Option<i64> {
        let months = self.month.checked_sub(1)?;
        let year = self.year.checked_add(months.div_euclid(12))?;
        // Far beyond what 64 bits of milliseconds can hold.
        if !(-300_000_000..=300_000_000).contains(&year) {
            return None;
        }
        let days =
            days_of(year, months.rem_euclid(12) + 1, 1).checked_add(self.day)?.checked_sub(1)?;
        days.checked_mul(DAY)?
            .checked_add(self.hour.checked_mul(3_600_000)?)?
            .checked_add(self.minute.checked_mul(60_000)?)?
            .checked_add(self.second.checked_mul(1000)?)?
            .checked_add(self.millisecond)
    }

    pub(super) fn days(self) -> i64 {
        days_of(self.year, self.month, self.day)
    }

    pub(super) fn day_of_year(self) -> i64 {
        self.days() - days_of(self.year, 1, 1) + 1
    }

    /// 1 is Monday, 7 Sunday.
    pub(super) fn iso_weekday(self) -> i64 {
        iso_weekday(self.days())
    }

    /// ISO year and week.
    pub(super) fn iso_week(self) -> (i64, i64) {
        // The week belongs to the year of its Thursday.
        let thursday = self.days() + 4 - self.iso_weekday();
        let (year, _, _) = date_of(thursday);
        (year, (thursday - days_of(year, 1, 1)) / 7 + 1)
    }

    /// Weeks begin on Sunday; days before the first Sunday are in week 0.
    pub(super) fn week(self) -> i64 {
        let weekday = self.iso_weekday() % 7;
        (self.day_of_year() + 6 - weekday) / 7
    }
}

/// 1 is Monday; 1970-01-01 was a Thursday.
pub(super) fn iso_weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// Days since 1970-01-01.
pub(super) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day number.
pub(super) fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The first day of an ISO year's first week.
pub(super) fn iso_year_start(year: i64) -> i64 {
    let fourth = days_of(year, 1, 4);
    fourth - (iso_weekday(fourth) - 1)
}

pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_of(next_year, next, 1) - days_of(year, month, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-1_000_000..1_000_000).step_by(97) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
        }
        assert_eq!(date_of(0), (1970, 1, 1));
        assert_eq!(days_of(2000, 2, 29), 11_016);
    }

    #[test]
    fn weeks() {
        let civil = |year, month, day| Civil::from_millis(days_of(year, month, day) * DAY);
        assert_eq!(civil(2016, 1, 1).iso_week(), (2015, 53));
        assert_eq!(civil(2018, 12, 31).iso_week(), (2019, 1));
        assert_eq!(civil(2016, 1, 1).week(), 0);
        assert_eq!(civil(2016, 1, 3).week(), 1);
        assert_eq!(civil(2016, 1, 3).iso_weekday(), 7);
        assert_eq!(days_in_month(2024, 2), 29);
        assert_eq!(iso_year_start(2016), days_of(2016, 1, 4));
    }
}
