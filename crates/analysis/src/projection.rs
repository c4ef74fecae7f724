//! Projections of `find`: which fields come back, and computed ones.

use bson::{
    raw::{RawDocument, RawDocumentBuf},
    spec::ElementType,
};
use fieldveil_query::{expression::Expression, projection::Projection};

use crate::{
    AnalyzeError,
    expression::mark_expression,
    filter::below,
    marking::Marker,
    raw::{self, Element, Elements, write_document, write_name},
    shape::{PathState, Shape},
};

/// The projection with markings in its computed fields; `None` if it stays as it is.
///
/// # Errors
/// If it looks into encrypted values, or computes with them.
pub(crate) fn mark_projection(
    marker: &mut Marker,
    shape: &Shape,
    projection: &RawDocument,
) -> Result<Option<RawDocumentBuf>, AnalyzeError> {
    if shape.is_plain() {
        return Ok(None);
    }
    let before = marker.count();
    let mut out = Vec::new();
    write_document(&mut out, |out| {
        ProjectionMarker { marker, shape }.fields("", projection.as_bytes(), out)
    })?;
    // Nothing passes that is not of the language, even if it were harmless.
    Projection::parse_find(projection)?;
    if marker.count() == before {
        return Ok(None);
    }
    raw::into_document(out).map(Some)
}

struct ProjectionMarker<'a> {
    marker: &'a mut Marker,
    shape: &'a Shape,
}

impl ProjectionMarker<'_> {
    fn fields(&mut self, outer: &str, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), AnalyzeError> {
        for element in Elements::new(bytes)? {
            let element = element?;
            let path = if outer.is_empty() {
                element.name.to_owned()
            } else {
                format!("{outer}.{}", element.name)
            };
            let place = self.marker.enter(element.name);
            self.field(&path, &element, out)?;
            self.marker.leave(place);
        }
        Ok(())
    }

    fn field(
        &mut self,
        path: &str,
        element: &Element<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), AnalyzeError> {
        let array = path.strip_suffix(".$");
        let state = self.shape.at(array.unwrap_or(path))?;
        if let PathState::Below { encrypted } = state {
            return Err(AnalyzeError::BelowEncrypted { path: path.to_owned(), encrypted });
        }
        if array.is_some() {
            check_array_operator("$", path, &state)?;
        }
        match element.kind {
            ElementType::Boolean
            | ElementType::Int32
            | ElementType::Int64
            | ElementType::Double
            | ElementType::Decimal128 => {
                out.extend(element.whole);
                return Ok(());
            }
            ElementType::EmbeddedDocument => {}
            _ => return self.computed(element, out),
        }
        let operator = Elements::new(element.value)?.next().transpose()?.map(|first| first.name);
        match operator {
            Some(operator @ ("$elemMatch" | "$slice")) => {
                check_array_operator(operator, path, &state)?;
                out.extend(element.whole);
                Ok(())
            }
            Some("$meta") => {
                out.extend(element.whole);
                Ok(())
            }
            Some(operator) if !operator.starts_with('$') => {
                write_name(out, element.kind, element.name);
                write_document(out, |out| self.fields(path, element.value, out))
            }
            _ => self.computed(element, out),
        }
    }

    fn computed(&mut self, element: &Element<'_>, out: &mut Vec<u8>) -> Result<(), AnalyzeError> {
        let mut expression = element.with_value(|value| Ok(Expression::parse(value)?))?;
        let before = self.marker.count();
        mark_expression(self.marker, self.shape, &mut expression)?;
        if self.marker.count() == before {
            out.extend(element.whole);
            return Ok(());
        }
        raw::write_value(out, element.name, expression.to_raw().as_raw_bson_ref())
    }
}

fn check_array_operator(operator: &str, path: &str, state: &PathState) -> Result<(), AnalyzeError> {
    let path = match state {
        PathState::Plain => return Ok(()),
        PathState::Prefix(shape) => below(path, shape),
        _ => path.to_owned(),
    };
    Err(AnalyzeError::InvalidOperator { path, operator: operator.to_owned() })
}
