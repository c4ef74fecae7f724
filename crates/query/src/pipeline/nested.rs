//! The pipelines that stand in stages.

use super::{Lookup, Merge, Pipeline, Stage, WhenMatched};

impl Pipeline {
    /// Every stage, each followed by those of the pipelines in it.
    #[must_use]
    pub fn all_stages(&self) -> Vec<&Stage> {
        let mut found = Vec::new();
        self.add_stages(&mut found);
        found
    }

    fn add_stages<'a>(&'a self, found: &mut Vec<&'a Stage>) {
        for stage in &self.stages {
            found.push(stage);
            for pipeline in stage.pipelines() {
                pipeline.add_stages(found);
            }
        }
    }
}

impl Stage {
    /// The pipelines in it. Every stage is listed, so that a new one is not forgotten.
    fn pipelines(&self) -> Vec<&Pipeline> {
        match self {
            Self::Facet(facets) => facets.iter().map(|(_, pipeline)| pipeline).collect(),
            Self::UnionWith { pipeline, .. }
            | Self::Lookup(Lookup { pipeline: Some(pipeline), .. })
            | Self::Merge(Merge { when_matched: Some(WhenMatched::Pipeline(pipeline)), .. }) => {
                vec![pipeline]
            }
            Self::Match(_)
            | Self::Project(_)
            | Self::AddFields { .. }
            | Self::Unset(_)
            | Self::Group(_)
            | Self::Sort(_)
            | Self::Skip(_)
            | Self::Limit(_)
            | Self::Sample(_)
            | Self::Unwind { .. }
            | Self::ReplaceRoot { .. }
            | Self::Redact(_)
            | Self::Count(_)
            | Self::SortByCount(_)
            | Self::Bucket { .. }
            | Self::BucketAuto { .. }
            | Self::Lookup(_)
            | Self::GraphLookup(_)
            | Self::SetWindowFields { .. }
            | Self::Out(_)
            | Self::Merge(_)
            | Self::Documents(_)
            | Self::Other { .. } => Vec::new(),
        }
    }
}
