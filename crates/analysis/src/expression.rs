//! Aggregation expressions: constants that are compared with encrypted fields are marked, and
//! what an expression gives has a [`Shape`] again.

use std::sync::Arc;

use bson::raw::{RawBson, RawBsonRef};
use fieldveil_query::expression::{Arguments, Call, Expression};

use crate::{
    AnalyzeError, RequestError,
    filter::check_queryable,
    marking::{Marker, Purpose},
    shape::{EncryptedField, FieldKey, ObjectShape, PathState, Shape},
};

/// Marks the constants of an expression whose result must be plain: a condition, a sort key.
pub(crate) fn mark_condition(
    marker: &mut Marker,
    shape: &Shape,
    expression: &mut Expression,
) -> Result<(), AnalyzeError> {
    ExpressionMarker { marker, shape }.plain(expression)
}

/// Marks the constants of an expression; tells the shape of its result.
pub(crate) fn mark_expression(
    marker: &mut Marker,
    shape: &Shape,
    expression: &mut Expression,
) -> Result<Shape, AnalyzeError> {
    ExpressionMarker { marker, shape }.expression(expression)
}

struct ExpressionMarker<'a> {
    marker: &'a mut Marker,
    /// The shape of the current document.
    shape: &'a Shape,
}

impl ExpressionMarker<'_> {
    fn expression(&mut self, expression: &mut Expression) -> Result<Shape, AnalyzeError> {
        match expression {
            Expression::Constant(_) | Expression::Literal(_) => Ok(Shape::Plain),
            Expression::Field(path) => self.reference(path.as_str()),
            Expression::Variable { name, path } => match (name.as_str(), path) {
                ("ROOT" | "CURRENT", None) => Ok(self.shape.clone()),
                ("ROOT" | "CURRENT", Some(path)) => self.reference(path.as_str()),
                // Nothing encrypted is ever bound to another variable.
                _ => Ok(Shape::Plain),
            },
            Expression::Document(fields) => {
                let mut object = ObjectShape::default();
                for (name, field) in fields {
                    let place = self.marker.enter(name);
                    object.set(name, self.expression(field)?);
                    self.marker.leave(place);
                }
                Ok(Shape::object(object))
            }
            Expression::Array(items) => {
                let shapes = self.items(items)?;
                Ok(Shape::array(join(shapes)))
            }
            Expression::Call(call) => {
                let place = self.marker.enter(call.operator);
                let shape = self.call(call)?;
                self.marker.leave(place);
                Ok(shape)
            }
        }
    }

    fn items(&mut self, items: &mut [Expression]) -> Result<Vec<Shape>, AnalyzeError> {
        self.items_from(0, items)
    }

    /// The items of an array, of which the first has this position.
    fn items_from(
        &mut self,
        first: usize,
        items: &mut [Expression],
    ) -> Result<Vec<Shape>, AnalyzeError> {
        let mut shapes = Vec::with_capacity(items.len());
        for (index, item) in items.iter_mut().enumerate() {
            let place = self.marker.enter(&(first + index).to_string());
            shapes.push(self.expression(item)?);
            self.marker.leave(place);
        }
        Ok(shapes)
    }

    /// An expression whose result must be plain.
    fn plain(&mut self, expression: &mut Expression) -> Result<(), AnalyzeError> {
        let shape = self.expression(expression)?;
        if shape.is_plain() {
            return Ok(());
        }
        Err(AnalyzeError::InvalidReference { path: referenced(expression, self.shape) })
    }

    fn reference(&self, path: &str) -> Result<Shape, AnalyzeError> {
        match self.shape.at(path)? {
            PathState::Plain => Ok(Shape::Plain),
            PathState::Encrypted(field) => Ok(Shape::Encrypted(field)),
            PathState::Prefix(shape) => Ok(shape),
            PathState::Below { encrypted } => {
                Err(AnalyzeError::BelowEncrypted { path: path.to_owned(), encrypted })
            }
            PathState::Unknown => Err(AnalyzeError::UnknownUntilRuntime { path: path.to_owned() }),
        }
    }

    fn call(&mut self, call: &mut Call) -> Result<Shape, AnalyzeError> {
        let operator = call.operator;
        match (operator, &mut call.arguments) {
            ("$eq" | "$ne", Arguments::Positional(items)) => {
                let shapes = self.items(items)?;
                if let ([left, right], [left_shape, right_shape]) =
                    (items.as_mut_slice(), shapes.as_slice())
                {
                    self.compare((left, left_shape), (right, right_shape))?;
                }
                Ok(Shape::Plain)
            }
            ("$in", Arguments::Positional(items)) => {
                if let [needle, list] = items.as_mut_slice() {
                    self.membership(needle, list)?;
                }
                Ok(Shape::Plain)
            }
            ("$cond", Arguments::Positional(items)) => {
                let [condition, branches @ ..] = items.as_mut_slice() else {
                    return Ok(Shape::Plain);
                };
                let place = self.marker.enter("0");
                self.plain(condition)?;
                self.marker.leave(place);
                Ok(join(self.items_from(1, branches)?))
            }
            ("$cond", Arguments::Named(fields)) => {
                let mut branches = Vec::new();
                for (name, field) in fields {
                    let place = self.marker.enter(name);
                    if name == "if" {
                        self.plain(field)?;
                    } else {
                        branches.push(self.expression(field)?);
                    }
                    self.marker.leave(place);
                }
                Ok(join(branches))
            }
            ("$ifNull", Arguments::Positional(items)) => Ok(join(self.items(items)?)),
            ("$switch", Arguments::Named(fields)) => self.switch(fields),
            ("$let", Arguments::Named(fields)) => self.bind(fields),
            // Without an input it reads the current document.
            ("$getField", Arguments::Positional(_)) if !self.shape.is_plain() => {
                Err(AnalyzeError::InvalidReference { path: "$$CURRENT".to_owned() })
            }
            ("$getField", Arguments::Named(fields))
                if !self.shape.is_plain() && !fields.iter().any(|(name, _)| name == "input") =>
            {
                Err(AnalyzeError::InvalidReference { path: "$$CURRENT".to_owned() })
            }
            ("$function" | "$accumulator", _) => {
                Err(AnalyzeError::UnsupportedExpression { operator: operator.to_owned() })
            }
            (text, _) if text.starts_with("$encStr") => {
                Err(AnalyzeError::UnsupportedExpression { operator: operator.to_owned() })
            }
            (_, Arguments::Positional(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let place = self.marker.enter(&index.to_string());
                    self.plain(item)?;
                    self.marker.leave(place);
                }
                Ok(Shape::Plain)
            }
            (_, Arguments::Named(fields)) => {
                for (name, field) in fields {
                    let place = self.marker.enter(name);
                    if name == "as" && field.as_constant().is_some_and(is_current) {
                        return Err(rebound());
                    }
                    self.plain(field)?;
                    self.marker.leave(place);
                }
                Ok(Shape::Plain)
            }
        }
    }

    /// `$eq` and `$ne`, in which a constant beside an encrypted field is marked.
    fn compare(
        &mut self,
        (left, left_shape): (&mut Expression, &Shape),
        (right, right_shape): (&mut Expression, &Shape),
    ) -> Result<(), AnalyzeError> {
        match (left_shape, right_shape) {
            (Shape::Plain, Shape::Plain) => Ok(()),
            (Shape::Encrypted(field), Shape::Plain) => {
                let path = referenced(left, self.shape);
                self.constant("1", field, &path, right)
            }
            (Shape::Plain, Shape::Encrypted(field)) => {
                let path = referenced(right, self.shape);
                self.constant("0", field, &path, left)
            }
            (Shape::Encrypted(a), Shape::Encrypted(b)) => {
                let path = referenced(left, self.shape);
                check_queryable(&path, a)?;
                check_queryable(&referenced(right, self.shape), b)?;
                self.marker.note_comparison(a, &path);
                check_comparable(a, b, path)
            }
            (Shape::Plain | Shape::Encrypted(_), _) => {
                Err(AnalyzeError::InvalidReference { path: referenced(right, self.shape) })
            }
            _ => Err(AnalyzeError::InvalidReference { path: referenced(left, self.shape) }),
        }
    }

    /// `$in`: the elements of a list written out are marked.
    fn membership(
        &mut self,
        needle: &mut Expression,
        list: &mut Expression,
    ) -> Result<(), AnalyzeError> {
        let place = self.marker.enter("0");
        let needle_shape = self.expression(needle)?;
        self.marker.leave(place);
        let place = self.marker.enter("1");
        let field = match needle_shape {
            Shape::Plain => {
                self.plain(list)?;
                self.marker.leave(place);
                return Ok(());
            }
            Shape::Encrypted(field) => field,
            _ => {
                return Err(AnalyzeError::InvalidReference {
                    path: referenced(needle, self.shape),
                });
            }
        };
        let path = referenced(needle, self.shape);
        check_queryable(&path, &field)?;
        if let Some(RawBson::Array(values)) = list.as_constant() {
            let values = values.as_bytes();
            let items = bson::raw::RawDocument::from_bytes(values)
                .map_err(|_| RequestError::Malformed { at: self.marker.place().to_owned() })?
                .into_iter()
                .map(|item| item.map(|(_, value)| Expression::Literal(value.into())))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| RequestError::Malformed { at: self.marker.place().to_owned() })?;
            *list = Expression::Array(items);
        }
        let Expression::Array(items) = list else {
            return Err(AnalyzeError::NonConstantComparison { path });
        };
        for (index, item) in items.iter_mut().enumerate() {
            match self.expression(item)? {
                Shape::Encrypted(other) => check_comparable(&field, &other, path.clone())?,
                Shape::Plain => {
                    if item.as_constant() == Some(&RawBson::Null) {
                        return Err(AnalyzeError::NullInList { path });
                    }
                    self.constant(&index.to_string(), &field, &path, item)?;
                }
                _ => {
                    return Err(AnalyzeError::InvalidReference {
                        path: referenced(item, self.shape),
                    });
                }
            }
        }
        self.marker.leave(place);
        Ok(())
    }

    /// Marks a constant that is compared with `field`.
    fn constant(
        &mut self,
        step: &str,
        field: &EncryptedField,
        path: &str,
        constant: &mut Expression,
    ) -> Result<(), AnalyzeError> {
        check_queryable(path, field)?;
        let place = self.marker.enter(step);
        let value = constant
            .constant_value()
            .ok_or_else(|| AnalyzeError::NonConstantComparison { path: path.to_owned() })?;
        if value == RawBson::Null {
            return Err(AnalyzeError::NullEquality { path: path.to_owned() });
        }
        let value: RawBsonRef<'_> = value.as_raw_bson_ref();
        *constant =
            Expression::Constant(self.marker.mark(field, path, value, Purpose::Compared)?);
        self.marker.leave(place);
        Ok(())
    }

    fn switch(&mut self, fields: &mut [(String, Expression)]) -> Result<Shape, AnalyzeError> {
        let mut results = Vec::new();
        for (name, field) in fields {
            let outer = self.marker.enter(name);
            match field {
                Expression::Array(branches) if name == "branches" => {
                    for (index, branch) in branches.iter_mut().enumerate() {
                        let place = self.marker.enter(&index.to_string());
                        if let Some(shape) = self.branch(branch)? {
                            results.push(shape);
                        }
                        self.marker.leave(place);
                    }
                }
                default => results.push(self.expression(default)?),
            }
            self.marker.leave(outer);
        }
        Ok(join(results))
    }

    /// `{ case: .., then: .. }` of a `$switch`.
    fn branch(&mut self, branch: &mut Expression) -> Result<Option<Shape>, AnalyzeError> {
        let Expression::Document(fields) = branch else {
            self.plain(branch)?;
            return Ok(None);
        };
        let mut result = None;
        for (name, field) in fields {
            let place = self.marker.enter(name);
            if name == "then" {
                result = Some(self.expression(field)?);
            } else {
                self.plain(field)?;
            }
            self.marker.leave(place);
        }
        Ok(result)
    }

    /// `$let`, whose variables must be plain.
    fn bind(&mut self, fields: &mut [(String, Expression)]) -> Result<Shape, AnalyzeError> {
        let mut result = Shape::Plain;
        for (name, field) in fields {
            let outer = self.marker.enter(name);
            match field {
                Expression::Document(variables) if name == "vars" => {
                    for (variable, value) in variables {
                        if variable == "CURRENT" {
                            return Err(rebound());
                        }
                        let place = self.marker.enter(variable);
                        self.plain(value)?;
                        self.marker.leave(place);
                    }
                }
                body => result = self.expression(body)?,
            }
            self.marker.leave(outer);
        }
        Ok(result)
    }
}

/// Whether values of both fields can be compared as ciphertexts.
pub(crate) fn check_comparable(
    a: &EncryptedField,
    b: &EncryptedField,
    path: String,
) -> Result<(), AnalyzeError> {
    let is_static = matches!(a.key(), FieldKey::Id(_));
    if is_static && a.has_same_metadata(b) {
        return Ok(());
    }
    Err(AnalyzeError::DifferentMetadata { path })
}

/// The shape of a value that is one of several.
pub(crate) fn join(shapes: Vec<Shape>) -> Shape {
    let mut shapes = shapes.into_iter();
    let Some(first) = shapes.next() else { return Shape::Plain };
    shapes.fold(first, |joined, shape| {
        if joined.agrees(&shape) {
            return joined;
        }
        let example = joined.example().or_else(|| shape.example()).unwrap_or_default();
        Shape::Unknown(Arc::from(example))
    })
}

/// The path of an encrypted field that an expression reads, for a message.
fn referenced(expression: &Expression, shape: &Shape) -> String {
    match expression {
        Expression::Field(path) => path.as_str().to_owned(),
        Expression::Variable { path: Some(path), .. } => path.as_str().to_owned(),
        Expression::Variable { name, path: None } => format!("$${name}"),
        other => {
            let is_encrypted = |child: &&Expression| match child {
                Expression::Field(path) | Expression::Variable { path: Some(path), .. } => {
                    !matches!(shape.at(path.as_str()), Ok(PathState::Plain))
                }
                Expression::Variable { name, path: None } => name == "ROOT" || name == "CURRENT",
                Expression::Constant(_) | Expression::Literal(_) => false,
                _ => true,
            };
            let children = other.children();
            children
                .iter()
                .copied()
                .filter(|child| is_encrypted(child))
                .map(|child| referenced(child, shape))
                .find(|path| !path.is_empty())
                .unwrap_or_default()
        }
    }
}

fn is_current(value: &RawBson) -> bool {
    matches!(value, RawBson::String(name) if name == "CURRENT")
}

fn rebound() -> AnalyzeError {
    AnalyzeError::InvalidReference { path: "$$CURRENT".to_owned() }
}

#[cfg(test)]
mod tests;
