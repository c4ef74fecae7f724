//! CBC encryption, bound by the latency of AES: one operation of it between the rounds of SHA-512.

use std::arch::x86_64::_mm256_setzero_si256;
use std::mem::offset_of;

use super::super::aes::{Block, load, store};
use super::super::avx512::scheduled_rounds;
use super::super::sha512::{extend, load as load_words, sha512_round, sha512_rounds};
use super::{STEP, Work};

/// The text of a block's begin: the chain, the plaintext and the first round key together.
macro_rules! whiten {
    ($block:literal) => {
        concat!(
            "vmovdqu {p}, xmmword ptr [{keyed} + {blocks} + ",
            $block,
            "]\n",
            "vpxor {p}, {p}, xmmword ptr [{keyed} + {keys}]\n",
            "vpxor {cipher}, {cipher}, {p}",
        )
    };
}

/// The text of one round of AES; `$at` is sixteen times its number.
macro_rules! enc {
    ($at:literal) => {
        concat!("vaesenc {cipher}, {cipher}, xmmword ptr [{keyed} + {keys} + ", $at, "]")
    };
}

/// The text of a block's end.
macro_rules! last {
    ($block:literal) => {
        concat!(
            "vaesenclast {cipher}, {cipher}, xmmword ptr [{keyed} + {keys} + 224]\n",
            "vmovdqu xmmword ptr [{keyed} + {blocks} + ",
            $block,
            "], {cipher}",
        )
    };
}

/// A comment with the operands that not every fifth uses, which would be an error.
macro_rules! unused {
    () => {
        "/* {p} {blocks} */"
    };
}

/// The rounds of SHA-512 that are given, and with them a fifth of two blocks of AES, the
/// `2 * $two`-th and the next.
macro_rules! with_aes {
    (1 of $two:expr, $cipher:ident, $rounds:ident!($($arguments:tt)*)) => {
        with_aes!(
            @ $two, $cipher, $rounds!($($arguments)*),
            [whiten!("0"), enc!("16")] [enc!("32"), enc!("48")] [enc!("64"), ""] [enc!("80"), unused!()]
        )
    };
    (2 of $two:expr, $cipher:ident, $rounds:ident!($($arguments:tt)*)) => {
        with_aes!(
            @ $two, $cipher, $rounds!($($arguments)*),
            [enc!("96"), enc!("112")] [enc!("128"), ""] [enc!("144"), enc!("160")] [enc!("176"), unused!()]
        )
    };
    (3 of $two:expr, $cipher:ident, $rounds:ident!($($arguments:tt)*)) => {
        with_aes!(
            @ $two, $cipher, $rounds!($($arguments)*),
            [enc!("192"), enc!("208")] [last!("0"), ""] [whiten!("16"), enc!("16")] [enc!("32"), unused!()]
        )
    };
    (4 of $two:expr, $cipher:ident, $rounds:ident!($($arguments:tt)*)) => {
        with_aes!(
            @ $two, $cipher, $rounds!($($arguments)*),
            [enc!("48"), enc!("64")] [enc!("80"), ""] [enc!("96"), enc!("112")] [enc!("128"), unused!()]
        )
    };
    (5 of $two:expr, $cipher:ident, $rounds:ident!($($arguments:tt)*)) => {
        with_aes!(
            @ $two, $cipher, $rounds!($($arguments)*),
            [enc!("144"), enc!("160")] [enc!("176"), ""] [enc!("192"), enc!("208")] [last!("16"), unused!()]
        )
    };
    (@ $two:expr, $cipher:ident, $rounds:ident!($($arguments:tt)*), $($aes:tt)*) => {
        $rounds!(
            $($arguments)*, $($aes)*,
            cipher = inout(xmm_reg) $cipher,
            p = out(xmm_reg) _,
            keys = const offset_of!(Work, keys),
            blocks = const offset_of!(Work, blocks) + 32 * $two,
        )
    };
}

/// The rounds of a step, twenty times four: given what makes them, and the names of the variables and
/// of the words of the message schedule.
macro_rules! twenty_rounds {
    ($rounds:ident, [$a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident],
        [$w0:ident $w1:ident $w2:ident $w3:ident]) => {
        $rounds!([$a $b $c $d $e $f $g $h], 0, [$w0 $w1 $w2 $w3], 1 of 0);
        $rounds!([$e $f $g $h $a $b $c $d], 1, [$w1 $w2 $w3 $w0], 2 of 0);
        $rounds!([$a $b $c $d $e $f $g $h], 2, [$w2 $w3 $w0 $w1], 3 of 0);
        $rounds!([$e $f $g $h $a $b $c $d], 3, [$w3 $w0 $w1 $w2], 4 of 0);
        $rounds!([$a $b $c $d $e $f $g $h], 4, [$w0 $w1 $w2 $w3], 5 of 0);
        $rounds!([$e $f $g $h $a $b $c $d], 5, [$w1 $w2 $w3 $w0], 1 of 1);
        $rounds!([$a $b $c $d $e $f $g $h], 6, [$w2 $w3 $w0 $w1], 2 of 1);
        $rounds!([$e $f $g $h $a $b $c $d], 7, [$w3 $w0 $w1 $w2], 3 of 1);
        $rounds!([$a $b $c $d $e $f $g $h], 8, [$w0 $w1 $w2 $w3], 4 of 1);
        $rounds!([$e $f $g $h $a $b $c $d], 9, [$w1 $w2 $w3 $w0], 5 of 1);
        $rounds!([$a $b $c $d $e $f $g $h], 10, [$w2 $w3 $w0 $w1], 1 of 2);
        $rounds!([$e $f $g $h $a $b $c $d], 11, [$w3 $w0 $w1 $w2], 2 of 2);
        $rounds!([$a $b $c $d $e $f $g $h], 12, [$w0 $w1 $w2 $w3], 3 of 2);
        $rounds!([$e $f $g $h $a $b $c $d], 13, [$w1 $w2 $w3 $w0], 4 of 2);
        $rounds!([$a $b $c $d $e $f $g $h], 14, [$w2 $w3 $w0 $w1], 5 of 2);
        $rounds!([$e $f $g $h $a $b $c $d], 15, [$w3 $w0 $w1 $w2], 1 of 3);
        $rounds!([$a $b $c $d $e $f $g $h], 16, [], 2 of 3);
        $rounds!([$e $f $g $h $a $b $c $d], 17, [], 3 of 3);
        $rounds!([$a $b $c $d $e $f $g $h], 18, [], 4 of 3);
        $rounds!([$e $f $g $h $a $b $c $d], 19, [], 5 of 3);
    };
}

/// Encrypts eight blocks and compresses another block of 128 bytes.
///
/// # Safety
/// The processor must have AES-NI, AVX2, BMI1 and BMI2.
#[target_feature(enable = "aes,avx2,bmi1,bmi2")]
#[expect(unused_assignments, reason = "by the last round")]
pub(super) unsafe fn step(
    work: &mut Work,
    chain: &mut Block,
    blocks: &mut [Block; 8],
    state: &mut [u64; 8],
    hashed: &[u8; STEP],
) {
    work.blocks = *blocks;
    let mut w = load_words(hashed, &mut work.keyed);
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    let mut bc = b ^ c;
    let mut cipher = load(chain);
    macro_rules! rounds {
        ($variables:tt, $i:expr, $words:tt, $nth:tt of $two:expr) => {
            if $i < 16 {
                extend(&mut w, &mut work.keyed, $i);
            }
            // SAFETY: reads words of the schedule and round keys, and writes blocks, all in `work`.
            unsafe {
                let work = &raw mut *work;
                with_aes!($nth of $two, cipher, sha512_rounds!($variables, bc, work, $i));
            }
        };
    }
    twenty_rounds!(rounds, [a b c d e f g h], [w w w w]);
    store(chain, cipher);
    *blocks = work.blocks;
    for (word, end) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(end);
    }
}

/// The same, with the message schedule woven in too.
///
/// # Safety
/// The processor must have AES-NI, AVX2, BMI1, BMI2, and AVX-512 F and VL.
#[target_feature(enable = "aes,avx2,bmi1,bmi2,avx512f,avx512vl")]
#[expect(unused_assignments, reason = "by the last round")]
pub(super) unsafe fn step_avx512(
    work: &mut Work,
    chain: &mut Block,
    blocks: &mut [Block; 8],
    state: &mut [u64; 8],
    hashed: &[u8; STEP],
) {
    work.blocks = *blocks;
    let [mut w0, mut w1, mut w2, mut w3] = load_words(hashed, &mut work.keyed);
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    let mut bc = b ^ c;
    let mut cipher = load(chain);
    macro_rules! rounds {
        ($variables:tt, $i:expr, [], $nth:tt of $two:expr) => {
            // SAFETY: as in `step`.
            unsafe {
                let work = &raw mut *work;
                with_aes!($nth of $two, cipher, sha512_rounds!($variables, bc, work, $i));
            }
        };
        ($variables:tt, $i:expr, $words:tt, $nth:tt of $two:expr) => {
            // SAFETY: as in `step`; also writes words of the schedule, in `work`.
            unsafe {
                let work = &raw mut *work;
                with_aes!(
                    $nth of $two, cipher, scheduled_rounds!($variables, bc, work, $i, $words)
                );
            }
        };
    }
    twenty_rounds!(rounds, [a b c d e f g h], [w0 w1 w2 w3]);
    store(chain, cipher);
    *blocks = work.blocks;
    for (word, end) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(end);
    }
}
