//! SHA-512 over four messages at once: one message in each lane of a vector.

use std::arch::x86_64::*;

use super::super::constants::K512;

/// Compresses one block of each message. `words` are the words of the blocks, and of no use after.
#[inline(always)]
pub(super) fn compress(state: &mut [V; 8], words: &mut [V; 16]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    macro_rules! round {
        ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $word:expr, $k:expr) => {
            let sigma_1 = $e.rotate::<14, 50>().xor3($e.rotate::<18, 46>(), $e.rotate::<41, 23>());
            let sum = $h.add($word).add($e.splat($k)).add($e.choose($f, $g)).add(sigma_1);
            let sigma_0 = $a.rotate::<28, 36>().xor3($a.rotate::<34, 30>(), $a.rotate::<39, 25>());
            $d = $d.add(sum);
            $h = sum.add($a.majority($b, $c)).add(sigma_0);
        };
    }
    macro_rules! rounds {
        ($word:ident, $k:expr) => {
            round!(a b c d e f g h, $word!(0), $k[0]);
            round!(h a b c d e f g, $word!(1), $k[1]);
            round!(g h a b c d e f, $word!(2), $k[2]);
            round!(f g h a b c d e, $word!(3), $k[3]);
            round!(e f g h a b c d, $word!(4), $k[4]);
            round!(d e f g h a b c, $word!(5), $k[5]);
            round!(c d e f g h a b, $word!(6), $k[6]);
            round!(b c d e f g h a, $word!(7), $k[7]);
            round!(a b c d e f g h, $word!(8), $k[8]);
            round!(h a b c d e f g, $word!(9), $k[9]);
            round!(g h a b c d e f, $word!(10), $k[10]);
            round!(f g h a b c d e, $word!(11), $k[11]);
            round!(e f g h a b c d, $word!(12), $k[12]);
            round!(d e f g h a b c, $word!(13), $k[13]);
            round!(c d e f g h a b, $word!(14), $k[14]);
            round!(b c d e f g h a, $word!(15), $k[15]);
        };
    }
    macro_rules! given {
        ($i:expr) => {
            words[$i]
        };
    }
    macro_rules! scheduled {
        ($i:expr) => {{
            let (w1, w14) = (words[($i + 1) % 16], words[($i + 14) % 16]);
            let small_0 = w1.rotate::<1, 63>().xor3(w1.rotate_8(), w1.shift_right::<7>());
            let small_1 =
                w14.rotate::<19, 45>().xor3(w14.rotate::<61, 3>(), w14.shift_right::<6>());
            words[$i] = words[$i].add(small_0).add(words[($i + 9) % 16]).add(small_1);
            words[$i]
        }};
    }
    let (k, _) = K512.0.as_chunks::<16>();
    rounds!(given, k[0]);
    for k in &k[1..] {
        rounds!(scheduled, k);
    }
    for (word, end) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.add(end);
    }
}

/// A vector of 64-bit words, one of each message.
///
/// Made by [`sha512_x4`](super::sha512_x4) alone, so a value proves AVX2.
#[derive(Clone, Copy)]
pub(super) struct V(pub(super) __m256i);

impl V {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a value of this type proves AVX2.
        unsafe { Self(_mm256_add_epi64(self.0, other.0)) }
    }

    /// Exclusive or of all three.
    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        // SAFETY: a value of this type proves AVX2.
        unsafe { Self(_mm256_xor_si256(_mm256_xor_si256(self.0, second.0), third.0)) }
    }

    /// Each bit of `self` chooses between the bits of the others.
    #[inline(always)]
    fn choose(self, ones: Self, zeros: Self) -> Self {
        // SAFETY: a value of this type proves AVX2.
        unsafe {
            let different = _mm256_xor_si256(ones.0, zeros.0);
            Self(_mm256_xor_si256(_mm256_and_si256(different, self.0), zeros.0))
        }
    }

    /// What two of three say, bit by bit.
    #[inline(always)]
    fn majority(self, second: Self, third: Self) -> Self {
        // SAFETY: a value of this type proves AVX2.
        unsafe {
            // The compiler keeps the one difference for the other in the next round.
            let one = _mm256_xor_si256(self.0, second.0);
            let other = _mm256_xor_si256(second.0, third.0);
            Self(_mm256_xor_si256(_mm256_and_si256(one, other), second.0))
        }
    }

    #[inline(always)]
    fn shift_right<const N: i32>(self) -> Self {
        // SAFETY: a value of this type proves AVX2.
        unsafe { Self(_mm256_srli_epi64::<N>(self.0)) }
    }

    /// Rotates right; `M` is `64 - N`.
    #[inline(always)]
    fn rotate<const N: i32, const M: i32>(self) -> Self {
        // SAFETY: a value of this type proves AVX2.
        unsafe {
            let (right, left) = (_mm256_srli_epi64::<N>(self.0), _mm256_slli_epi64::<M>(self.0));
            Self(_mm256_or_si256(right, left))
        }
    }

    /// Rotates right by 8.
    #[inline(always)]
    fn rotate_8(self) -> Self {
        // SAFETY: a value of this type proves AVX2.
        unsafe {
            let order = _mm256_set_epi64x(
                0x080f_0e0d_0c0b_0a09,
                0x0007_0605_0403_0201,
                0x080f_0e0d_0c0b_0a09,
                0x0007_0605_0403_0201,
            );
            Self(_mm256_shuffle_epi8(self.0, order))
        }
    }

    /// The same word in each lane.
    #[inline(always)]
    fn splat(self, word: u64) -> Self {
        // SAFETY: a value of this type proves AVX2.
        unsafe { Self(_mm256_set1_epi64x(word.cast_signed())) }
    }
}
