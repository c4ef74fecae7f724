//! SHA-512 over eight messages at once, or four: one message in each lane of a vector.
//!
//! Rotation, and any function of three bits, are one instruction each. In which order a round's
//! thirty stand makes a fifth of the time: the processor decides early which unit will execute what,
//! and only some of them can rotate. This order is the best of some thousands that were tried on
//! Zen 4, so it is written down instead of left to the compiler.

use std::arch::asm;
use std::arch::x86_64::*;

use super::super::constants::K512;

/// The text of one instruction: its name, the registers that it writes and reads, and what else it
/// takes. `$v` is what the names of the registers begin with.
macro_rules! op {
    ($name:literal $v:literal: $to:tt $(, $from:tt)* $(; $other:expr)?) => {
        concat!($name, " ", $v, $to, $(", ", $v, $from,)* $(", ", $other,)? "\n")
    };
}

/// The text of one round (FIPS 180-4, section 6.4.2), and of the word of the message schedule for
/// sixteen rounds later, unless `$schedule` begins a comment. `$v` names the registers, by their
/// numbers: a to h, then the words of this round and of 1, 9 and 14 later.
macro_rules! round {
    ($v:literal, $broadcast:literal, $schedule:literal, $at:literal,
        $a:literal $b:literal $c:literal $d:literal $e:literal $f:literal $g:literal $h:literal,
        $w0:literal $w1:literal $w9:literal $w14:literal) => {
        concat!(
            $schedule, op!("vpsrlq" $v: "24", $w1; "7"),
            op!("vprorq" $v: "25", $e; "41"),
            op!("vprorq" $v: "26", $e; "18"),
            op!("vpaddq" $v: "27", $w0; concat!("qword ptr [{k} + 8 * ", $at, "]", $broadcast)),
            op!("vpaddq" $v: $h, $h, "27"),
            $schedule, op!("vprorq" $v: "28", $w1; "1"),
            op!("vprorq" $v: "29", $e; "14"),
            op!("vmovdqa64" $v: "30", $e),
            $schedule, op!("vprorq" $v: "31", $w14; "61"),
            op!("vprorq" $v: "27", $a; "39"),
            op!("vpternlogq" $v: "29", "26", "25"; "0x96"), // exclusive or of all
            $schedule, op!("vpaddq" $v: $w0, $w0, $w9),
            op!("vpternlogq" $v: "30", $f, $g; "0xca"), // choice
            op!("vpaddq" $v: $h, $h, "30"),
            $schedule, op!("vprorq" $v: "25", $w1; "8"),
            op!("vmovdqa64" $v: "26", $a),
            op!("vpaddq" $v: $h, $h, "29"),
            op!("vpternlogq" $v: "26", $b, $c; "0xe8"), // majority
            op!("vpaddq" $v: $d, $d, $h),
            $schedule, op!("vpternlogq" $v: "28", "25", "24"; "0x96"),
            op!("vpaddq" $v: $h, $h, "26"),
            $schedule, op!("vprorq" $v: "30", $w14; "19"),
            $schedule, op!("vpsrlq" $v: "29", $w14; "6"),
            $schedule, op!("vpternlogq" $v: "30", "31", "29"; "0x96"),
            $schedule, op!("vpaddq" $v: $w0, $w0, "28"),
            $schedule, op!("vpaddq" $v: $w0, $w0, "30"),
            op!("vprorq" $v: "24", $a; "34"),
            op!("vprorq" $v: "25", $a; "28"),
            op!("vpternlogq" $v: "24", "25", "27"; "0x96"),
            op!("vpaddq" $v: $h, $h, "24"),
        )
    };
}

/// The text of sixteen rounds.
macro_rules! sixteen_rounds {
    ($v:literal, $to:literal, $s:literal) => {
        concat!(
            round!($v, $to, $s, "0", "0" "1" "2" "3" "4" "5" "6" "7", "8" "9" "17" "22"),
            round!($v, $to, $s, "1", "7" "0" "1" "2" "3" "4" "5" "6", "9" "10" "18" "23"),
            round!($v, $to, $s, "2", "6" "7" "0" "1" "2" "3" "4" "5", "10" "11" "19" "8"),
            round!($v, $to, $s, "3", "5" "6" "7" "0" "1" "2" "3" "4", "11" "12" "20" "9"),
            round!($v, $to, $s, "4", "4" "5" "6" "7" "0" "1" "2" "3", "12" "13" "21" "10"),
            round!($v, $to, $s, "5", "3" "4" "5" "6" "7" "0" "1" "2", "13" "14" "22" "11"),
            round!($v, $to, $s, "6", "2" "3" "4" "5" "6" "7" "0" "1", "14" "15" "23" "12"),
            round!($v, $to, $s, "7", "1" "2" "3" "4" "5" "6" "7" "0", "15" "16" "8" "13"),
            round!($v, $to, $s, "8", "0" "1" "2" "3" "4" "5" "6" "7", "16" "17" "9" "14"),
            round!($v, $to, $s, "9", "7" "0" "1" "2" "3" "4" "5" "6", "17" "18" "10" "15"),
            round!($v, $to, $s, "10", "6" "7" "0" "1" "2" "3" "4" "5", "18" "19" "11" "16"),
            round!($v, $to, $s, "11", "5" "6" "7" "0" "1" "2" "3" "4", "19" "20" "12" "17"),
            round!($v, $to, $s, "12", "4" "5" "6" "7" "0" "1" "2" "3", "20" "21" "13" "18"),
            round!($v, $to, $s, "13", "3" "4" "5" "6" "7" "0" "1" "2", "21" "22" "14" "19"),
            round!($v, $to, $s, "14", "2" "3" "4" "5" "6" "7" "0" "1", "22" "23" "15" "20"),
            round!($v, $to, $s, "15", "1" "2" "3" "4" "5" "6" "7" "0", "23" "8" "16" "21"),
        )
    };
}

/// Declares a function that compresses one block of each message, given word by word.
macro_rules! compress {
    ($(#[$doc:meta])* $name:ident, $features:literal, $vector:ty, $add:ident, $v:literal, $to:literal,
        $r0:tt $r1:tt $r2:tt $r3:tt $r4:tt $r5:tt $r6:tt $r7:tt
        $r8:tt $r9:tt $r10:tt $r11:tt $r12:tt $r13:tt $r14:tt $r15:tt
        $r16:tt $r17:tt $r18:tt $r19:tt $r20:tt $r21:tt $r22:tt $r23:tt
        $r24:tt $r25:tt $r26:tt $r27:tt $r28:tt $r29:tt $r30:tt $r31:tt) => {
        $(#[$doc])*
        #[inline]
        #[target_feature(enable = $features)]
        pub(super) fn $name(state: &mut [$vector; 8], words: &[$vector; 16]) {
            let mut after = *state;
            let [a, b, c, d, e, f, g, h] = &mut after;
            // SAFETY: the processor has the instructions. Reads nothing but the constants.
            unsafe {
                asm!(
                    "2:",
                    sixteen_rounds!($v, $to, ""),
                    "add {k}, 128",
                    "dec {count:e}",
                    "jnz 2b",
                    sixteen_rounds!($v, $to, "# "),
                    k = inout(reg) K512.0.as_ptr() => _,
                    count = inout(reg) 4 => _,
                    inout($r0) *a, inout($r1) *b, inout($r2) *c, inout($r3) *d,
                    inout($r4) *e, inout($r5) *f, inout($r6) *g, inout($r7) *h,
                    inout($r8) words[0] => _, inout($r9) words[1] => _,
                    inout($r10) words[2] => _, inout($r11) words[3] => _,
                    inout($r12) words[4] => _, inout($r13) words[5] => _,
                    inout($r14) words[6] => _, inout($r15) words[7] => _,
                    inout($r16) words[8] => _, inout($r17) words[9] => _,
                    inout($r18) words[10] => _, inout($r19) words[11] => _,
                    inout($r20) words[12] => _, inout($r21) words[13] => _,
                    inout($r22) words[14] => _, inout($r23) words[15] => _,
                    out($r24) _, out($r25) _, out($r26) _, out($r27) _,
                    out($r28) _, out($r29) _, out($r30) _, out($r31) _,
                    options(readonly, nostack),
                );
            }
            for (state, after) in state.iter_mut().zip(after) {
                *state = $add(*state, after);
            }
        }
    };
}

compress!(
    /// Eight messages.
    compress_x8, "avx512f", __m512i, _mm512_add_epi64, "zmm", "{{1to8}}",
    "zmm0" "zmm1" "zmm2" "zmm3" "zmm4" "zmm5" "zmm6" "zmm7"
    "zmm8" "zmm9" "zmm10" "zmm11" "zmm12" "zmm13" "zmm14" "zmm15"
    "zmm16" "zmm17" "zmm18" "zmm19" "zmm20" "zmm21" "zmm22" "zmm23"
    "zmm24" "zmm25" "zmm26" "zmm27" "zmm28" "zmm29" "zmm30" "zmm31"
);
compress!(
    /// Four messages.
    compress_x4, "avx2,avx512f,avx512vl", __m256i, _mm256_add_epi64, "ymm", "{{1to4}}",
    "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7"
    "ymm8" "ymm9" "ymm10" "ymm11" "ymm12" "ymm13" "ymm14" "ymm15"
    "ymm16" "ymm17" "ymm18" "ymm19" "ymm20" "ymm21" "ymm22" "ymm23"
    "ymm24" "ymm25" "ymm26" "ymm27" "ymm28" "ymm29" "ymm30" "ymm31"
);
