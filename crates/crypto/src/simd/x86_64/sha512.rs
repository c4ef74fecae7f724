//! SHA-512 of one message: rounds in general registers, message schedule in AVX2 beside them.

use std::arch::x86_64::*;

use super::avx2;
use super::constants::K512;

/// Proof that the processor has AVX2, BMI1 and BMI2.
#[derive(Clone, Copy)]
pub(crate) struct Bmi2(());

impl Bmi2 {
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        has.then_some(Self(()))
    }

    /// SHA-512: compresses blocks, one after the other.
    pub(crate) fn sha512(self, state: &mut [u64; 8], blocks: &[[u8; 128]]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { sha512(state, blocks) }
    }
}

/// The words of the message schedule with the round constants added, four in each row.
pub(super) type Keyed = [Row; 20];

/// Four words; aligned, so that a vector is stored at once.
#[repr(align(32))]
#[derive(Clone, Copy)]
pub(super) struct Row(pub(super) [u64; 4]);

impl Row {
    pub(super) const ZERO: Self = Self([0; 4]);
}

/// The text of one round (FIPS 180-4, section 6.4.2), for which the compiler would choose a worse
/// order: this one is the best of some thousands that were tried on Zen 4. Between the instructions
/// there is room for others, which are for other units of the processor: six of one strand, and two
/// of another.
///
/// Majority is `b ^ (a ^ b & b ^ c)`; `$bc` is `b ^ c`, and `$ab` becomes the `a ^ b` that is the
/// `b ^ c` of the next round.
macro_rules! sha512_round {
    ($a:literal $b:literal $c:literal $d:literal $e:literal $f:literal $g:literal $h:literal,
        $bc:literal $ab:literal, $at:literal) => {
        sha512_round!($a $b $c $d $e $f $g $h, $bc $ab, $at, ["" "" "" "" "" ""], ["", ""])
    };
    ($a:literal $b:literal $c:literal $d:literal $e:literal $f:literal $g:literal $h:literal,
        $bc:literal $ab:literal, $at:literal,
        [$one:literal $two:literal $three:literal $four:literal $five:literal $six:literal],
        [$left:expr, $right:expr]) => {
        concat!(
            "rorx {t}, {", $a, "}, 39\n",
            "mov {v}, {", $e, "}\n",
            "and {v}, {", $f, "}\n",
            "rorx {", $ab, "}, {", $e, "}, 14\n",
            $one, "\n",
            "rorx {w}, {", $e, "}, 41\n",
            "add {", $h, "}, qword ptr [{keyed} + {offset} + ", $at, "]\n",
            "add {", $h, "}, {v}\n",
            $left, "\n",
            "xor {", $ab, "}, {w}\n",
            $two, "\n",
            "rorx {v}, {", $e, "}, 18\n",
            "andn {w}, {", $e, "}, {", $g, "}\n",
            "add {", $h, "}, {w}\n",
            "xor {", $ab, "}, {v}\n",
            $three, "\n",
            "rorx {w}, {", $a, "}, 28\n",
            "rorx {v}, {", $a, "}, 34\n",
            "add {", $h, "}, {", $ab, "}\n",
            "add {", $d, "}, {", $h, "}\n",
            $four, "\n",
            "mov {", $ab, "}, {", $a, "}\n",
            "xor {", $ab, "}, {", $b, "}\n",
            "and {", $bc, "}, {", $ab, "}\n",
            $right, "\n",
            "xor {", $bc, "}, {", $b, "}\n",
            $five, "\n",
            "xor {w}, {t}\n",
            "xor {w}, {v}\n",
            "add {", $h, "}, {w}\n",
            "add {", $h, "}, {", $bc, "}\n",
            $six, "\n",
        )
    };
}

/// Four rounds, beginning with the `4 * $i`-th, of a schedule that is in memory. To spread between
/// their instructions there are, for each of them, six of one strand and two of another; what those
/// use are the `$operands`.
///
/// It is not declared pure, so that rounds also keep their places among other such statements.
macro_rules! sha512_rounds {
    ($variables:tt, $bc:ident, $keyed:expr, $i:expr) => {
        sha512_rounds!($variables, $bc, $keyed, $i, ["", ""] ["", ""] ["", ""] ["", ""],)
    };
    ($variables:tt, $bc:ident, $keyed:expr, $i:expr,
        [$($one:tt)*] [$($two:tt)*] [$($three:tt)*] [$($four:tt)*], $($operands:tt)*) => {
        sha512_rounds!(
            @ $variables, $bc, $keyed, $i,
            ["" "" "" "" "" ""] ["" "" "" "" "" ""] ["" "" "" "" "" ""] ["" "" "" "" "" ""],
            [$($one)*] [$($two)*] [$($three)*] [$($four)*],
            $($operands)*
        )
    };
    (@ [$a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident],
        $bc:ident, $keyed:expr, $i:expr,
        $one:tt $two:tt $three:tt $four:tt,
        $other_one:tt $other_two:tt $other_three:tt $other_four:tt, $($operands:tt)*) => {
        std::arch::asm!(
            sha512_round!("a" "b" "c" "d" "e" "f" "g" "h", "bc" "u", "0", $one, $other_one),
            sha512_round!("h" "a" "b" "c" "d" "e" "f" "g", "u" "bc", "8", $two, $other_two),
            sha512_round!("g" "h" "a" "b" "c" "d" "e" "f", "bc" "u", "16", $three, $other_three),
            sha512_round!("f" "g" "h" "a" "b" "c" "d" "e", "u" "bc", "24", $four, $other_four),
            a = inout(reg) $a,
            b = inout(reg) $b,
            c = inout(reg) $c,
            d = inout(reg) $d,
            e = inout(reg) $e,
            f = inout(reg) $f,
            g = inout(reg) $g,
            h = inout(reg) $h,
            bc = inout(reg) $bc,
            keyed = in(reg) $keyed,
            offset = const 32 * ($i),
            t = out(reg) _,
            u = out(reg) _,
            v = out(reg) _,
            w = out(reg) _,
            $($operands)*
            options(nostack),
        )
    };
}

pub(super) use {sha512_round, sha512_rounds};

/// # Safety
/// The processor must have AVX2, BMI1 and BMI2.
#[target_feature(enable = "avx2,bmi1,bmi2")]
#[expect(unused_assignments, reason = "by the last round")]
unsafe fn sha512(state: &mut [u64; 8], blocks: &[[u8; 128]]) {
    let mut keyed = [Row::ZERO; 20];
    for block in blocks {
        let mut w = load(block, &mut keyed);
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
        let mut bc = b ^ c;
        // One by one, so that the compiler can spread the schedule between them.
        macro_rules! round {
            ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $i:expr) => {
                let ab: u64;
                // SAFETY: reads nothing but a word of `keyed`.
                unsafe {
                    std::arch::asm!(
                        sha512_round!("a" "b" "c" "d" "e" "f" "g" "h", "bc" "u", "0"),
                        a = in(reg) $a,
                        b = in(reg) $b,
                        d = inout(reg) $d,
                        e = in(reg) $e,
                        f = in(reg) $f,
                        g = in(reg) $g,
                        h = inout(reg) $h,
                        bc = inout(reg) bc => _,
                        keyed = in(reg) keyed.as_ptr(),
                        offset = const 8 * ($i),
                        t = out(reg) _,
                        u = out(reg) ab,
                        v = out(reg) _,
                        w = out(reg) _,
                        options(readonly, nostack),
                    );
                }
                bc = ab;
            };
        }
        // Eight rounds bring each variable back to its name.
        macro_rules! eight_rounds {
            ($i:expr) => {
                if $i < 16 {
                    extend(&mut w, &mut keyed, $i);
                }
                round!(a b c d e f g h, 4 * $i);
                round!(h a b c d e f g, 4 * $i + 1);
                round!(g h a b c d e f, 4 * $i + 2);
                round!(f g h a b c d e, 4 * $i + 3);
                if $i < 16 {
                    extend(&mut w, &mut keyed, $i + 1);
                }
                round!(e f g h a b c d, 4 * $i + 4);
                round!(d e f g h a b c, 4 * $i + 5);
                round!(c d e f g h a b, 4 * $i + 6);
                round!(b c d e f g h a, 4 * $i + 7);
            };
        }
        eight_rounds!(0);
        eight_rounds!(2);
        eight_rounds!(4);
        eight_rounds!(6);
        eight_rounds!(8);
        eight_rounds!(10);
        eight_rounds!(12);
        eight_rounds!(14);
        eight_rounds!(16);
        eight_rounds!(18);
        for (word, end) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *word = word.wrapping_add(end);
        }
    }
}

/// The sixteen words of a block, four in each vector; `keyed` gets them with constants added.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load(block: &[u8; 128], keyed: &mut Keyed) -> [__m256i; 4] {
    let words = words(block);
    for i in 0..4 {
        add_constants(words[i], keyed, i);
    }
    words
}

/// The sixteen words of a block, four in each vector.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn words(block: &[u8; 128]) -> [__m256i; 4] {
    let to_little_endian = _mm256_set_epi64x(
        0x0809_0a0b_0c0d_0e0f,
        0x0001_0203_0405_0607,
        0x0809_0a0b_0c0d_0e0f,
        0x0001_0203_0405_0607,
    );
    let (quarters, _) = block.as_chunks::<32>();
    let mut words = [_mm256_setzero_si256(); 4];
    for i in 0..4 {
        // SAFETY: 32 bytes are readable, and the load needs no alignment.
        let quarter = unsafe { _mm256_loadu_si256(quarters[i].as_ptr().cast()) };
        words[i] = _mm256_shuffle_epi8(quarter, to_little_endian);
    }
    words
}

/// While the words `4 * i` to `4 * i + 15` are in `w`, replaces the first four by the next ones.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn extend(w: &mut [__m256i; 4], keyed: &mut Keyed, i: usize) {
    let next = schedule(*w);
    *w = [w[1], w[2], w[3], next];
    add_constants(next, keyed, i + 4);
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn add_constants(words: __m256i, keyed: &mut Keyed, i: usize) {
    let (k, _) = K512.0.as_chunks::<4>();
    let sum = _mm256_add_epi64(words, avx2::load(&k[i]));
    // SAFETY: 32 bytes are writable, and aligned.
    unsafe { _mm256_store_si256(keyed[i].0.as_mut_ptr().cast(), sum) }
}

/// The next four words of the message schedule.
#[inline]
#[target_feature(enable = "avx2")]
fn schedule(w: [__m256i; 4]) -> __m256i {
    let from_1 = shift_words(w[0], w[1]);
    let from_9 = shift_words(w[2], w[3]);
    let small_0 = xor3(
        rotate::<1, 63>(from_1),
        _mm256_shuffle_epi8(
            from_1,
            _mm256_set_epi64x(
                0x080f_0e0d_0c0b_0a09,
                0x0007_0605_0403_0201,
                0x080f_0e0d_0c0b_0a09,
                0x0007_0605_0403_0201,
            ),
        ),
        _mm256_srli_epi64::<7>(from_1),
    );
    let sum = _mm256_add_epi64(_mm256_add_epi64(w[0], from_9), small_0);
    // The upper two words depend on the lower two.
    let from_14 = _mm256_permute2x128_si256::<0x81>(w[3], w[3]);
    let lower = _mm256_add_epi64(sum, small_1(from_14));
    let from_16 = _mm256_permute2x128_si256::<0x08>(lower, lower);
    _mm256_add_epi64(lower, small_1(from_16))
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_1(words: __m256i) -> __m256i {
    xor3(rotate::<19, 45>(words), rotate::<61, 3>(words), _mm256_srli_epi64::<6>(words))
}

/// The last three of `low` and the first of `high`.
#[inline]
#[target_feature(enable = "avx2")]
fn shift_words(low: __m256i, high: __m256i) -> __m256i {
    _mm256_alignr_epi8::<8>(_mm256_permute2x128_si256::<0x21>(low, high), low)
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const N: i32, const M: i32>(words: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_srli_epi64::<N>(words), _mm256_slli_epi64::<M>(words))
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(one: __m256i, two: __m256i, three: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(one, two), three)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Compresses `count` blocks that are made of `seed`, and compares with `sha2`.
    pub(in super::super) fn check(
        kernel: impl Fn(&mut [u64; 8], &[[u8; 128]]),
        state: [u64; 8],
        seed: [u8; 32],
        count: usize,
    ) -> Result<(), TestCaseError> {
        let blocks: Vec<[u8; 128]> = (0..count)
            .map(|n| std::array::from_fn(|i| seed[i % 32].wrapping_mul((i + n * 7) as u8 | 1)))
            .collect();
        let (mut ours, mut expected) = (state, state);
        kernel(&mut ours, &blocks);
        sha2::block_api::compress512(&mut expected, &blocks);
        prop_assert_eq!(ours, expected);
        Ok(())
    }

    proptest! {
        #[test]
        fn equals_sha2(state: [u64; 8], seed: [u8; 32], count in 0usize..20) {
            let Some(kernel) = Bmi2::detect() else { return Ok(()) };
            check(|state, blocks| kernel.sha512(state, blocks), state, seed, count)?;
        }
    }
}
