//! AWS Signature Version 4.

use zeroize::{Zeroize, Zeroizing};

use super::RequestHashes;

/// Signs requests to one service in one region at one moment.
///
/// Source: AWS documentation "Create a signed AWS API request".
pub(super) struct Signer<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) secret: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// `YYYYMMDD'T'HHMMSS'Z'`.
    pub(super) datetime: &'a str,
    pub(super) hashes: &'a dyn RequestHashes,
}

impl Signer<'_> {
    /// The value of the `Authorization` header.
    ///
    /// `path` is normal and without query; `headers` are sorted by name, whatever its case.
    /// `Connection` belongs to the hop and is not signed.
    ///
    /// # Errors
    /// Those of the hashes.
    pub(super) fn authorization(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<String, String> {
        let signed = || headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        let names =
            signed().map(|(name, _)| name.to_ascii_lowercase()).collect::<Vec<_>>().join(";");
        let mut canonical = Zeroizing::new(format!("{method}\n{path}\n\n"));
        for (name, value) in signed() {
            canonical.push_str(&name.to_ascii_lowercase());
            canonical.push(':');
            canonical.push_str(&value.split_whitespace().collect::<Vec<_>>().join(" "));
            canonical.push('\n');
        }
        canonical.push_str(&format!("\n{names}\n{}", hex(&self.hashes.sha_256(body.as_bytes())?)));

        let scope = format!("{}/{}/{}/aws4_request", self.date(), self.region, self.service);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
            self.datetime,
            hex(&self.hashes.sha_256(canonical.as_bytes())?)
        );
        let signature = self.hashes.hmac_sha_256(&*self.signing_key()?, to_sign.as_bytes())?;
        let signature = hex(&signature);
        Ok(format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key_id
        ))
    }

    fn date(&self) -> &str {
        self.datetime.split('T').next().unwrap_or_default()
    }

    fn signing_key(&self) -> Result<Zeroizing<[u8; 32]>, String> {
        let secret = Zeroizing::new(format!("AWS4{}", self.secret));
        let date = self.date().as_bytes();
        let mut key = Zeroizing::new(self.hashes.hmac_sha_256(secret.as_bytes(), date)?);
        for part in [self.region, self.service, "aws4_request"] {
            let mut next = self.hashes.hmac_sha_256(&*key, part.as_bytes())?;
            key.copy_from_slice(&next);
            next.zeroize();
        }
        Ok(key)
    }
}

/// Unix time in milliseconds as `YYYYMMDD'T'HHMMSS'Z'`.
pub(super) fn datetime(wall_clock_ms: i64) -> String {
    let seconds = wall_clock_ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_date(days);
    format!(
        "{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a day since 1970-01-01 in the Gregorian calendar.
///
/// Counts from 0000-03-01, so that a leap day is the last day of a year; 400 years repeat.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: Signer<'static> = Signer {
        access_key_id: "AKIDEXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region: "us-east-1",
        service: "service",
        datetime: "20150830T123600Z",
        hashes: &super::super::NativeHashes,
    };

    fn signature(headers: &[(&str, &str)], body: &str) -> String {
        let authorization = EXAMPLE.authorization("POST", "/", headers, body).unwrap();
        authorization.split("Signature=").nth(1).unwrap().to_owned()
    }

    const HOST: (&str, &str) = ("Host", "example.amazonaws.com");
    const DATE: (&str, &str) = ("X-Amz-Date", "20150830T123600Z");

    /// Case `post-vanilla` of the published suite.
    #[test]
    fn vanilla_post() {
        assert_eq!(
            EXAMPLE.authorization("POST", "/", &[HOST, DATE], "").unwrap(),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
    }

    /// Cases `post-header-key-sort` and `post-header-value-case`.
    #[test]
    fn further_headers() {
        assert_eq!(
            signature(&[HOST, ("My-Header1", "value1"), DATE], ""),
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"
        );
        assert_eq!(
            signature(&[HOST, ("My-Header1", "VALUE1"), DATE], ""),
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"
        );
    }

    /// Case `post-x-www-form-urlencoded`; `Connection` changes nothing.
    #[test]
    fn body_and_content_type() {
        let content_type = ("Content-Type", "application/x-www-form-urlencoded");
        assert_eq!(
            signature(&[("Connection", "close"), content_type, HOST, DATE], "Param1=value1"),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
        );
    }

    /// Case `post-sts-header-before`: the token is an ordinary header, and signed.
    #[test]
    fn session_token() {
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFq\
                     wAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2w\
                     UE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+x\
                     o0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3i\
                     SIlTJabIQwj2ICCR/oLxBA==";
        assert_eq!(
            signature(&[HOST, DATE, ("X-Amz-Security-Token", token)], ""),
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
        );
    }

    #[test]
    fn dates_of_leap_years_and_before_the_epoch() {
        assert_eq!(datetime(0), "19700101T000000Z");
        assert_eq!(datetime(1_440_938_160_999), "20150830T123600Z");
        assert_eq!(datetime(951_782_400_000), "20000229T000000Z");
        assert_eq!(datetime(4_107_542_400_000), "21000301T000000Z");
        assert_eq!(datetime(-1), "19691231T235959Z");
    }
}
