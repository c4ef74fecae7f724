//! Stages that choose fields and compute new ones.

use bson::spec::ElementType;

use super::{Stage, document, write_expression, wrong_type};
use crate::{
    AnalyzeError,
    marking::Marker,
    raw::{Element, Elements, write_document, write_name},
    shape::{PathState, Shape},
};

/// `$addFields`, `$set`
pub(super) fn add_fields(
    stage: &mut Stage<'_>,
    element: &Element<'_>,
) -> Result<Shape, AnalyzeError> {
    let argument = document(element)?;
    let mut fields = Fields::new(stage, false);
    write_name(fields.out, element.kind, element.name);
    fields.nested("", argument.as_bytes())?;
    let Fields { assigned, .. } = fields;
    let inflow = stage.shape.clone();
    assigned.into_iter().try_fold(inflow, |shape, (path, value)| assign(&shape, &path, value))
}

/// `$project`
pub(super) fn project(stage: &mut Stage<'_>, element: &Element<'_>) -> Result<Shape, AnalyzeError> {
    let argument = document(element)?;
    let mut fields = Fields::new(stage, true);
    write_name(fields.out, element.kind, element.name);
    fields.nested("", argument.as_bytes())?;
    let Fields { assigned, included, excluded, .. } = fields;
    let inflow = stage.shape.clone();
    // One exclusion but of `_id` makes the whole an exclusion: everything else stays.
    let excludes = excluded.iter().any(|path| path != "_id");
    if excludes || (included.is_empty() && assigned.is_empty()) {
        let left = remove(&inflow, excluded.iter().map(String::as_str))?;
        return assigned
            .into_iter()
            .try_fold(left, |shape, (path, value)| assign(&shape, &path, value));
    }
    let mut shape = Shape::Plain;
    let id = "_id".to_owned();
    let keeps_id = !excluded.contains(&id) && !included.contains(&id);
    for path in included.iter().chain(keeps_id.then_some(&id)) {
        let value = match inflow.at(path)? {
            PathState::Plain => continue,
            PathState::Encrypted(field) => Shape::Encrypted(field),
            PathState::Prefix(shape) => shape,
            PathState::Below { encrypted } => {
                return Err(AnalyzeError::BelowEncrypted { path: path.clone(), encrypted });
            }
            PathState::Unknown => Shape::Unknown(path.as_str().into()),
        };
        shape = assign(&shape, path, value)?;
    }
    assigned.into_iter().try_fold(shape, |shape, (path, value)| assign(&shape, &path, value))
}

/// `$unset: "a.b"` or `$unset: ["a", "b"]`
pub(super) fn unset(stage: &mut Stage<'_>, element: &Element<'_>) -> Result<Shape, AnalyzeError> {
    let paths = match (element.text(), element.array()) {
        (Some(path), _) => vec![path],
        (None, Some(items)) => items
            .map(|item| {
                let item = item?;
                item.text().ok_or_else(|| wrong_type(element, "array of strings"))
            })
            .collect::<Result<_, _>>()?,
        (None, None) => return Err(wrong_type(element, "string or array of strings")),
    };
    stage.keep(element);
    remove(&stage.shape, paths.into_iter())
}

fn remove<'p>(shape: &Shape, paths: impl Iterator<Item = &'p str>) -> Result<Shape, AnalyzeError> {
    let mut left = shape.clone();
    for path in paths {
        if let PathState::Below { encrypted } = shape.at(path)? {
            return Err(AnalyzeError::BelowEncrypted { path: path.to_owned(), encrypted });
        }
        left = left.without(path);
    }
    Ok(left)
}

/// The shape with another value at `path`.
pub(super) fn assign(shape: &Shape, path: &str, value: Shape) -> Result<Shape, AnalyzeError> {
    shape.with(path, value).ok_or_else(|| {
        let encrypted = match shape.at(path) {
            Ok(PathState::Below { encrypted }) => encrypted,
            _ => path.to_owned(),
        };
        AnalyzeError::BelowEncrypted { path: path.to_owned(), encrypted }
    })
}

/// The fields of a stage, as they are read.
struct Fields<'a> {
    marker: &'a mut Marker,
    shape: &'a Shape,
    out: &'a mut Vec<u8>,
    /// Whether numbers and booleans choose fields.
    chooses: bool,
    assigned: Vec<(String, Shape)>,
    included: Vec<String>,
    excluded: Vec<String>,
}

impl<'a> Fields<'a> {
    fn new(stage: &'a mut Stage<'_>, chooses: bool) -> Self {
        Self {
            marker: stage.marker,
            shape: &stage.shape,
            out: stage.out,
            chooses,
            assigned: Vec::new(),
            included: Vec::new(),
            excluded: Vec::new(),
        }
    }

    /// Writes a document of fields, which are below `outer`.
    fn nested(&mut self, outer: &str, bytes: &[u8]) -> Result<(), AnalyzeError> {
        let mut out = std::mem::take(self.out);
        let result = write_document(&mut out, |out| {
            for element in Elements::new(bytes)? {
                let element = element?;
                let path = if outer.is_empty() {
                    element.name.to_owned()
                } else {
                    format!("{outer}.{}", element.name)
                };
                let place = self.marker.enter(element.name);
                std::mem::swap(self.out, out);
                let result = self.field(&path, &element);
                std::mem::swap(self.out, out);
                result?;
                self.marker.leave(place);
            }
            Ok(())
        });
        *self.out = out;
        result
    }

    fn field(&mut self, path: &str, element: &Element<'_>) -> Result<(), AnalyzeError> {
        let choice = element.with_value(|value| {
            use bson::raw::RawBsonRef as V;
            Ok(match value {
                V::Boolean(flag) => Some(flag),
                V::Int32(number) => Some(number != 0),
                V::Int64(number) => Some(number != 0),
                V::Double(number) => Some(number != 0.0),
                V::Decimal128(_) => Some(fieldveil_query::value::is_truthy(value)),
                _ => None,
            })
        })?;
        match choice {
            Some(is_included) if self.chooses => {
                let list = if is_included { &mut self.included } else { &mut self.excluded };
                list.push(path.to_owned());
                self.out.extend(element.whole);
                return Ok(());
            }
            _ => {}
        }
        if element.kind == ElementType::EmbeddedDocument {
            let first = Elements::new(element.value)?.next().transpose()?;
            if first.is_some_and(|first| !first.name.starts_with('$')) {
                write_name(self.out, element.kind, element.name);
                return self.nested(path, element.value);
            }
        }
        let shape = write_expression(self.marker, self.shape, element, self.out)?;
        self.assigned.push((path.to_owned(), shape));
        Ok(())
    }
}
