//! MongoDB codes of refusals.

use fieldveil_query::code_name;

use super::AnalyzeError;

impl AnalyzeError {
    /// The code for an error reply. Where MongoDB publishes none, one of our own block 9 900 000;
    /// a code never changes its meaning.
    pub fn code(&self) -> i32 {
        match self {
            Self::Schema(error) => error.code(),
            Self::Query(error) => error.code(),
            Self::Request(error) => error.code(),
            Self::CannotEncrypt { .. } => 9_900_010,
            Self::AlreadyEncrypted { .. } => 9_900_011,
            Self::ZeroTimestamp { .. } => 9_900_012,
            Self::EncryptedIdMissing => 9_900_013,
            Self::ConflictingMetadata { .. } => 9_900_014,
            Self::AmbiguousIndex { .. } => 9_900_015,
            Self::BelowEncrypted { .. } => 9_900_016,
            Self::UnknownUntilRuntime { .. } => 9_900_017,
            Self::DuplicateName { .. } => 9_900_018,
            Self::DottedName { .. } => 9_900_019,
            Self::PrefixValue { .. } => 9_900_020,
            Self::PointerKey { .. } => 9_900_021,
            Self::PointerToEncrypted { .. } => 9_900_022,
            Self::PointerTarget { .. } => 9_900_023,
            Self::UnsupportedOperator { .. } => 9_900_030,
            Self::InvalidOperator { .. } => 9_900_031,
            Self::PrefixOperator { .. } => 9_900_032,
            Self::RandomQuery { .. } => 9_900_033,
            Self::NullEquality { .. } => 9_900_034,
            Self::NullInList { .. } => 9_900_035,
            Self::Collation { .. } => 9_900_036,
            Self::InvalidReference { .. } => 9_900_037,
            Self::NonConstantComparison { .. } => 9_900_038,
            Self::DifferentMetadata { .. } => 9_900_039,
            Self::UnsupportedExpression { .. } => 9_900_040,
            Self::UnknownModifier { .. } => 9,
            Self::PipelineUpdate => 9_900_050,
            Self::DollarName { .. } => 9_900_051,
            Self::UpdateOperator { .. } => 9_900_052,
            Self::Rename { .. } => 9_900_053,
            Self::Positional { .. } => 9_900_054,
            Self::ArrayUpdate { .. } => 9_900_055,
            Self::StageForm => 40323,
            Self::UnknownStage { .. } => 40324,
            Self::UnwindPath => 28818,
            Self::AccumulatorForm { .. } => 40234,
            Self::UnknownAccumulator { .. } => 15952,
            Self::StageNotAllowed { .. } => 9_900_070,
            Self::GroupKey { .. } => 9_900_071,
            Self::Accumulator { .. } => 9_900_072,
            Self::LookupLet => 9_900_073,
            Self::GraphLookupFrom { .. } => 9_900_074,
            Self::StoredComparison { .. } => 9_900_080,
            Self::ValidatorSchema { .. } => 9_900_081,
            Self::View { .. } => 9_900_082,
            Self::BulkWrite { .. } => 9_900_083,
            Self::Sort { .. } => 9_900_060,
            Self::UnsupportedOption { .. } => 9_900_061,
            Self::DistinctPointerKey { .. } => 9_900_062,
        }
    }

    /// The code's name: `FailedToParse`, `Location40415`.
    pub fn code_name(&self) -> String {
        code_name(self.code())
    }
}
