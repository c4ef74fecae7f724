//! SHA-512 over nine messages at once: one in each of the eight lanes of a vector, and a ninth in
//! general registers, which are idle meanwhile.
//!
//! The lanes alone would start two of the six operations that the processor can start in a cycle. The
//! instructions of the ninth message stand between theirs, for the processor does not look ahead far
//! enough to run one stream beside another. Nine so take the time of eight, within some per cent.

use std::arch::naked_asm;
use std::arch::x86_64::*;
use std::mem::offset_of;

use super::super::constants::K512;

/// Bits of the block of the pad and of the digest, which is the message of the outer hash.
pub(super) const OUTER_BITS: i64 = (128 + 64) * 8;

/// What the kernel reads and writes.
#[repr(C, align(64))]
pub(super) struct Frame {
    /// The block of the ninth message, then the last sixteen words of its message schedule. Wiped.
    pub(super) ninth_words: [u64; 16],
    /// The blocks of eight messages, word by word. Wiped.
    pub(super) words: [__m512i; 16],
    /// Chaining values before the first compression, and before the second: of the ninth message,
    pub(super) inner: *const [u64; 8],
    pub(super) outer: *const [u64; 8],
    /// and of the others, where they are not the same.
    pub(super) inner_lanes: *const [__m512i; 8],
    pub(super) outer_lanes: *const [__m512i; 8],
    /// Chaining values after the second.
    pub(super) after: [__m512i; 8],
    pub(super) ninth_after: [u64; 8],
}

/// The text of an instruction on all lanes: its name, the vectors that it writes and reads by their
/// numbers, and what else it takes.
macro_rules! lane {
    ($name:literal: $to:tt $(, $from:tt)* $(; $other:expr)?) => {
        concat!($name, " zmm", $to, $(", zmm", $from,)* $(", ", $other,)? "\n")
    };
}

/// The text of an instruction for the ninth message.
macro_rules! ninth {
    ($name:literal: $to:expr $(, $from:expr)*) => {
        concat!($name, " ", $to, $(", ", $from,)* "\n")
    };
}

/// A word of the ninth message.
macro_rules! ring {
    ($i:literal) => {
        concat!("qword ptr [r15 + 8 * ", $i, " - 6]")
    };
}

/// A round constant.
macro_rules! constant {
    ($i:literal) => {
        concat!("qword ptr [rbp + 8 * ", $i, " - 7]")
    };
}

/// The text of one round (FIPS 180-4, section 6.4.2), and of the word of the message schedule for
/// sixteen rounds later, unless `$schedule` begins a comment.
///
/// `$w0` and so on are the words of this round and of 1, 9 and 14 later, numbers of vectors and of
/// places in the ring; then come a to h in vectors, and in registers; last, `b ^ c` of the ninth
/// message, which becomes the `a ^ b` that is the `b ^ c` of the next round.
macro_rules! round {
    ($schedule:literal,
        [$w0:literal $w1:literal $w9:literal $w14:literal],
        [$a:literal $b:literal $c:literal $d:literal $e:literal $f:literal $g:literal $h:literal],
        [$ra:literal $rb:literal $rc:literal $rd:literal
         $re:literal $rf:literal $rg:literal $rh:literal],
        [$bc:literal $ab:literal]) => {
        concat!(
            $schedule, lane!("vpsrlq": "24", $w1; "7"),
            lane!("vprorq": "25", $e; "41"),
            ninth!("add": $rh, ring!($w0)),
            lane!("vprorq": "26", $e; "18"),
            ninth!("add": $rh, constant!($w0)),
            lane!("vpaddq": "27", $w0; concat!(constant!($w0), "{{1to8}}")),
            ninth!("rorx": "r12", $ra, "39"),
            ninth!("mov": "r13", $re),
            lane!("vpaddq": $h, $h, "27"),
            ninth!("and": "r13", $rf),
            $schedule, lane!("vprorq": "28", $w1; "1"),
            ninth!("rorx": $ab, $re, "14"),
            lane!("vprorq": "29", $e; "14"),
            ninth!("rorx": "r14", $re, "41"),
            lane!("vmovdqa64": "30", $e),
            ninth!("add": $rh, "r13"),
            ninth!("xor": $ab, "r14"),
            $schedule, lane!("vprorq": "31", $w14; "61"),
            ninth!("rorx": "r13", $re, "18"),
            lane!("vprorq": "27", $a; "39"),
            ninth!("andn": "r14", $re, $rg),
            lane!("vpternlogq": "29", "26", "25"; "0x96"),
            ninth!("add": $rh, "r14"),
            $schedule, lane!("vpaddq": $w0, $w0, $w9),
            ninth!("xor": $ab, "r13"),
            ninth!("rorx": "r14", $ra, "28"),
            lane!("vpternlogq": "30", $f, $g; "0xca"),
            ninth!("rorx": "r13", $ra, "34"),
            lane!("vpaddq": $h, $h, "30"),
            ninth!("add": $rh, $ab),
            $schedule, lane!("vprorq": "25", $w1; "8"),
            ninth!("add": $rd, $rh),
            ninth!("mov": $ab, $ra),
            lane!("vmovdqa64": "26", $a),
            ninth!("xor": $ab, $rb),
            lane!("vpaddq": $h, $h, "29"),
            ninth!("and": $bc, $ab),
            lane!("vpternlogq": "26", $b, $c; "0xe8"),
            ninth!("xor": $bc, $rb),
            lane!("vpaddq": $d, $d, $h),
            ninth!("xor": "r14", "r12"),
            ninth!("xor": "r14", "r13"),
            $schedule, lane!("vpternlogq": "28", "25", "24"; "0x96"),
            ninth!("add": $rh, "r14"),
            lane!("vpaddq": $h, $h, "26"),
            ninth!("add": $rh, $bc),
            $schedule, lane!("vprorq": "30", $w14; "19"),
            $schedule, ninth!("rorx": "r12", ring!($w1), "1"),
            $schedule, lane!("vpsrlq": "29", $w14; "6"),
            $schedule, ninth!("rorx": "r13", ring!($w1), "8"),
            $schedule, ninth!("shrx": "r14", ring!($w1), "rbp"),
            $schedule, lane!("vpternlogq": "30", "31", "29"; "0x96"),
            $schedule, ninth!("xor": "r12", "r13"),
            $schedule, lane!("vpaddq": $w0, $w0, "28"),
            $schedule, ninth!("xor": "r12", "r14"),
            $schedule, lane!("vpaddq": $w0, $w0, "30"),
            $schedule, ninth!("rorx": "r13", ring!($w14), "19"),
            lane!("vprorq": "24", $a; "34"),
            $schedule, ninth!("rorx": "r14", ring!($w14), "61"),
            $schedule, ninth!("add": "r12", ring!($w9)),
            lane!("vprorq": "25", $a; "28"),
            $schedule, ninth!("xor": "r13", "r14"),
            lane!("vpternlogq": "24", "25", "27"; "0x96"),
            $schedule, ninth!("shrx": "r14", ring!($w14), "r15"),
            lane!("vpaddq": $h, $h, "24"),
            $schedule, ninth!("xor": "r13", "r14"),
            $schedule, ninth!("add": "r12", "r13"),
            $schedule, ninth!("add": ring!($w0), "r12"),
        )
    };
}

/// The text of sixteen rounds.
macro_rules! sixteen_rounds {
    ($schedule:literal) => {
        sixteen_rounds!(
            $schedule,
            ["0" "1" "2" "3" "4" "5" "6" "7" "8" "9" "10" "11" "12" "13" "14" "15"], [],
            ["16" "17" "18" "19" "20" "21" "22" "23"],
            ["rax" "rbx" "rcx" "rdx" "rsi" "rdi" "r8" "r9"],
            ["r10" "r11"]
        )
    };
    // The words of rounds to come, and of those that were; then the variables, each of which takes
    // the place of the next after a round.
    ($schedule:literal, [$word:literal $($words:literal)*], [$($past:literal)*],
        [$a:literal $b:literal $c:literal $d:literal $e:literal $f:literal $g:literal $h:literal],
        [$ra:literal $rb:literal $rc:literal $rd:literal
         $re:literal $rf:literal $rg:literal $rh:literal],
        [$bc:literal $ab:literal]) => {
        concat!(
            one_round!(
                $schedule, [$word $($words)* $($past)*],
                [$a $b $c $d $e $f $g $h], [$ra $rb $rc $rd $re $rf $rg $rh], [$bc $ab]
            ),
            sixteen_rounds!(
                $schedule, [$($words)*], [$($past)* $word],
                [$h $a $b $c $d $e $f $g], [$rh $ra $rb $rc $rd $re $rf $rg], [$ab $bc]
            ),
        )
    };
    ($schedule:literal, [], $($rest:tt)*) => { "" };
}

/// [`round`], given all words from that of this round on.
macro_rules! one_round {
    ($schedule:literal,
        [$w0:literal $w1:literal $w2:literal $w3:literal $w4:literal $w5:literal $w6:literal
         $w7:literal $w8:literal $w9:literal $w10:literal $w11:literal $w12:literal $w13:literal
         $w14:literal $w15:literal], $($variables:tt)*) => {
        round!($schedule, [$w0 $w1 $w9 $w14], $($variables)*)
    };
}

/// The text for each of the eight variables: a number, a vector and a register.
macro_rules! variables {
    ($each:ident!) => {
        concat!(
            $each!("0" "16" "rax"),
            $each!("1" "17" "rbx"),
            $each!("2" "18" "rcx"),
            $each!("3" "19" "rdx"),
            $each!("4" "20" "rsi"),
            $each!("5" "21" "rdi"),
            $each!("6" "22" "r8"),
            $each!("7" "23" "r9"),
        )
    };
}

/// The text for each of the sixteen words.
macro_rules! each_word {
    ($each:ident!) => {
        each_word!(
            $each!, "0" "1" "2" "3" "4" "5" "6" "7" "8" "9" "10" "11" "12" "13" "14" "15"
        )
    };
    ($each:ident!, $($i:literal)*) => {
        concat!($($each!($i), "\n",)*)
    };
}

/// Loads a word of eight messages.
macro_rules! load_word {
    ($i:literal) => {
        concat!("vmovdqa64 zmm", $i, ", zmmword ptr [r15 + {words} + 64 * ", $i, " - 6]")
    };
}

/// Wipes a word of eight messages.
macro_rules! wipe_word {
    ($i:literal) => {
        concat!("vmovdqa64 zmmword ptr [r15 + {words} + 64 * ", $i, " - 6], zmm31")
    };
}

/// Sets a word of all messages.
macro_rules! set_word {
    ($i:literal $r:literal) => {
        concat!("vpbroadcastq zmm", $i, ", ", $r, "\nmov ", ring!($i), ", ", $r)
    };
}

/// The text that loads the variables from what `$from` points to, and what else a hash begins with.
macro_rules! begin {
    ($from:literal) => {
        concat!(
            "mov r12, qword ptr [r15 + {", $from, "} - 6]\n",
            lanes_or_one!($from, load_lanes!, load_one!),
            variables!(load_ninth!),
            "mov r10, rbx\nxor r10, rcx\n",
            "lea rbp, [rip + {constants} + 7]\n",
        )
    };
}

/// The text of `$lanes` if each lane has a chaining value of its own, which are then behind `r13`; or
/// of `$one`, if all have that behind `r12`.
macro_rules! lanes_or_one {
    ($from:literal, $lanes:ident!, $one:ident!) => {
        concat!(
            "mov r13, qword ptr [r15 + {", $from, "_lanes} - 6]\n",
            "test r13, r13\n",
            "jz 7f\n",
            variables!($lanes!),
            "jmp 8f\n",
            "7:\n",
            variables!($one!),
            "8:\n",
        )
    };
}

macro_rules! load_lanes {
    ($i:literal $v:literal $r:literal) => {
        concat!("vmovdqa64 zmm", $v, ", zmmword ptr [r13 + 64 * ", $i, "]\n")
    };
}

macro_rules! load_one {
    ($i:literal $v:literal $r:literal) => {
        concat!("vpbroadcastq zmm", $v, ", qword ptr [r12 + 8 * ", $i, "]\n")
    };
}

macro_rules! load_ninth {
    ($i:literal $v:literal $r:literal) => {
        concat!("mov ", $r, ", qword ptr [r12 + 8 * ", $i, "]\n")
    };
}

/// The text that adds what `$from` points to, which the hash began with. The sums are then words, as
/// those of the inner digest are in the block of the outer hash.
macro_rules! end {
    ($from:literal) => {
        concat!(
            "mov r12, qword ptr [r15 + {", $from, "} - 6]\n",
            lanes_or_one!($from, add_lanes!, add_one!),
            variables!(add_ninth!),
        )
    };
}

macro_rules! add_lanes {
    ($i:literal $v:literal $r:literal) => {
        concat!("vpaddq zmm", $i, ", zmm", $v, ", zmmword ptr [r13 + 64 * ", $i, "]\n")
    };
}

macro_rules! add_one {
    ($i:literal $v:literal $r:literal) => {
        concat!("vpaddq zmm", $i, ", zmm", $v, ", qword ptr [r12 + 8 * ", $i, "]{{1to8}}\n")
    };
}

macro_rules! add_ninth {
    ($i:literal $v:literal $r:literal) => {
        concat!("add ", $r, ", qword ptr [r12 + 8 * ", $i, "]\nmov ", ring!($i), ", ", $r, "\n")
    };
}

macro_rules! store {
    ($i:literal $v:literal $r:literal) => {
        concat!(
            "vmovdqa64 zmmword ptr [r15 + {after} + 64 * ",
            $i,
            " - 6], zmm",
            $i,
            "\n",
            "mov qword ptr [r15 + {ninth_after} + 8 * ",
            $i,
            " - 6], ",
            $r,
            "\n",
        )
    };
}

/// The two hashes of the HMACs.
///
/// Registers are addressed a little off where they should be, because the count of a shift is their
/// lower six bits: `r15`, the frame, makes it 6, and `rbp`, the constants, 7.
///
/// # Safety
/// The processor must have BMI1, BMI2 and AVX-512 F. All fields before `after` must be written.
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn hash(frame: *mut Frame) {
    naked_asm!(
        "push rbx\npush rbp\npush r12\npush r13\npush r14\npush r15\npush 2",
        "lea r15, [rdi + 6]",
        each_word!(load_word!),
        begin!("inner"),
        ".p2align 6",
        "2:",
        sixteen_rounds!(""),
        "sub rbp, -128",
        // The last of the constants that are left; no other sixteenth ends like this.
        "cmp byte ptr [rbp + 8 * 15 - 7], 0x17",
        "jne 2b",
        sixteen_rounds!("# "),
        "dec dword ptr [rsp]",
        "jz 3f",
        end!("inner"),
        "mov rax, 0x8000000000000000",
        "mov ecx, {outer_bits}",
        "xor edx, edx",
        set_word!("8" "rax"),
        set_word!("9" "rdx"),
        set_word!("10" "rdx"),
        set_word!("11" "rdx"),
        set_word!("12" "rdx"),
        set_word!("13" "rdx"),
        set_word!("14" "rdx"),
        set_word!("15" "rcx"),
        begin!("outer"),
        "jmp 2b",
        "3:",
        end!("outer"),
        variables!(store!),
        "vpxorq zmm31, zmm31, zmm31",
        each_word!(wipe_word!),
        "vmovdqa64 zmmword ptr [r15 + {ninth_words} - 6], zmm31",
        "vmovdqa64 zmmword ptr [r15 + {ninth_words} + 64 - 6], zmm31",
        "vzeroupper",
        "pop rdx\npop r15\npop r14\npop r13\npop r12\npop rbp\npop rbx",
        "ret",
        constants = sym K512,
        ninth_words = const offset_of!(Frame, ninth_words),
        words = const offset_of!(Frame, words),
        inner = const offset_of!(Frame, inner),
        outer = const offset_of!(Frame, outer),
        inner_lanes = const offset_of!(Frame, inner_lanes),
        outer_lanes = const offset_of!(Frame, outer_lanes),
        after = const offset_of!(Frame, after),
        ninth_after = const offset_of!(Frame, ninth_after),
        outer_bits = const OUTER_BITS,
    )
}
