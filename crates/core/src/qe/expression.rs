//! Range expressions of explicit encryption.
//!
//! Two shapes are known, each with one or two bounds on one field:
//! `{$and: [{f: {$gt: a}}, {f: {$lt: b}}]}` of filters, and
//! `{$and: [{$gt: ["$f", a]}, {$lt: ["$f", b]}]}` of aggregation.

use std::sync::atomic::{AtomicI32, Ordering};

use super::range::{RangeError, RangeOperator};
use super::{QeError, RangeOptions};
use crate::error::CoreError;
use crate::marking::QE_MARKING;
use crate::options::{OptionsError, QeIndex, QePlan};
use crate::raw::{DocumentWriter, Element, Elements, MalformedBson, kind, subtype};

/// Ties the two payloads of a range together; counted by the whole process, as other clients do.
static NEXT_PAYLOAD_ID: AtomicI32 = AtomicI32::new(0);

/// Puts a placeholder where each bound stands.
///
/// # Errors
/// If the expression has another shape, or bounds of another type than the index.
pub(crate) fn mark_range_expression(
    expression: &[u8],
    plan: &QePlan,
) -> Result<Vec<u8>, CoreError> {
    let QeIndex::Range(options) = &plan.index else {
        return Err(OptionsError::ExpressionNeedsRange.into());
    };
    let expression = RangeExpression::parse(expression)?;
    let placeholders = expression.placeholders(options, plan)?;
    expression.write(&placeholders)
}

struct RangeExpression<'a> {
    is_aggregation: bool,
    /// Name or path of the field, as it stands in the expression.
    field: &'a [u8],
    first: Operand<'a>,
    second: Option<Operand<'a>>,
}

#[derive(Clone, Copy)]
struct Operand<'a> {
    operator: RangeOperator,
    bound: Element<'a>,
}

impl<'a> RangeExpression<'a> {
    fn parse(expression: &'a [u8]) -> Result<Self, CoreError> {
        let mut elements = Elements::of(expression)?;
        let and = elements.next().transpose()?.filter(|element| element.name == b"$and");
        let and = and.ok_or_else(|| problem("error unable to find '$and'"))?;
        let items = and.as_array().ok_or_else(|| problem("expected '$and' to be array"))?;
        if let Some(extra) = elements.next().transpose()? {
            let name = extra.name_lossy();
            return Err(problem(&format!("unexpected extra key '{name}' after '$and'")));
        }
        let mut operands = Vec::new();
        let mut field: Option<&[u8]> = None;
        let mut is_aggregation = None;
        for item in Elements::of(items)? {
            let item = item?;
            let document =
                item.as_document().ok_or_else(|| problem("expected document in '$and' array"))?;
            let element = Elements::of(document)?
                .next()
                .transpose()?
                .ok_or_else(|| problem("unexpected empty '$and' array document"))?;
            let is_operator = RangeOperator::parse(element.name).is_some();
            let (name, operand) = if *is_aggregation.get_or_insert(is_operator) {
                parse_aggregation(&element)?
            } else {
                parse_filter(&element)?
            };
            if *field.get_or_insert(name) != name {
                return Err(problem("unexpected field mismatch"));
            }
            let is_lower = operand.operator.is_lower();
            if operands.iter().any(|other: &Operand<'_>| other.operator.is_lower() == is_lower) {
                let name = operand.operator.name();
                return Err(problem(&format!("unexpected duplicate bound {name}")));
            }
            operands.push(operand);
        }
        let mut operands = operands.into_iter();
        let first = operands.next().ok_or_else(|| {
            CoreError::from(QeError::from(RangeError::TypeMismatch(
                "expected lower or upper bound to be set".to_owned(),
            )))
        })?;
        Ok(Self {
            is_aggregation: is_aggregation.unwrap_or(false),
            field: field.unwrap_or_default(),
            first,
            second: operands.next(),
        })
    }

    /// One placeholder for each bound; the first stands for the range, the second is a stub.
    fn placeholders(
        &self,
        options: &RangeOptions,
        plan: &QePlan,
    ) -> Result<Vec<Vec<u8>>, CoreError> {
        let payload_id = next_payload_id();
        let mut placeholders = vec![self.placeholder(options, plan, payload_id, false)?];
        if self.second.is_some() {
            placeholders.push(self.placeholder(options, plan, payload_id, true)?);
        }
        Ok(placeholders)
    }

    fn bound(&self, is_lower: bool) -> Option<&Operand<'a>> {
        let operands = std::iter::once(&self.first).chain(&self.second);
        operands.into_iter().find(|operand| operand.operator.is_lower() == is_lower)
    }

    fn placeholder(
        &self,
        options: &RangeOptions,
        plan: &QePlan,
        payload_id: i32,
        is_stub: bool,
    ) -> Result<Vec<u8>, CoreError> {
        let mut out = vec![QE_MARKING];
        let mut writer = DocumentWriter::new(&mut out);
        writer.i32("t", 2).i32("a", 3);
        writer.binary("ki", subtype::UUID, plan.index_key.as_bytes());
        writer.binary("ku", subtype::UUID, plan.user_key.as_bytes());
        writer.document("v", |spec| {
            if !is_stub {
                spec.document("edgesInfo", |info| self.write_edges_info(info, options))?;
            }
            spec.i32("payloadId", payload_id);
            spec.i32("firstOperator", self.first.operator as i32);
            if let Some(second) = &self.second {
                spec.i32("secondOperator", second.operator as i32);
            }
            Ok::<_, CoreError>(())
        })?;
        writer.i64("cm", plan.contention).i64("s", options.sparsity);
        writer.finish()?;
        Ok(out)
    }

    fn write_edges_info(
        &self,
        writer: &mut DocumentWriter<'_>,
        options: &RangeOptions,
    ) -> Result<(), CoreError> {
        // The type of the lower bound counts, if there is one.
        let value_kind = self.bound(true).unwrap_or(&self.first).bound.kind;
        let (min_kind, min) = options.bound("min", value_kind).map_err(QeError::from)?;
        let (max_kind, max) = options.bound("max", value_kind).map_err(QeError::from)?;
        for (is_lower, name, included, open_end) in [
            (true, "lowerBound", "lbIncluded", f64::NEG_INFINITY),
            (false, "upperBound", "ubIncluded", f64::INFINITY),
        ] {
            match self.bound(is_lower) {
                Some(operand) => {
                    let bound = &operand.bound;
                    writer.raw(bound.kind, name.as_bytes(), bound.value);
                    writer.bool(included, operand.operator.is_inclusive());
                }
                None => {
                    writer.raw(kind::DOUBLE, name.as_bytes(), &open_end.to_le_bytes());
                    writer.bool(included, true);
                }
            }
        }
        writer.raw(min_kind, b"indexMin", &min).raw(max_kind, b"indexMax", &max);
        if let Some(precision) = options.precision {
            writer.i32("precision", precision);
        }
        if let Some(trim_factor) = options.trim_factor {
            writer.i32("trimFactor", trim_factor);
        }
        Ok(())
    }

    /// The expression with placeholders in place of its bounds.
    fn write(&self, placeholders: &[Vec<u8>]) -> Result<Vec<u8>, CoreError> {
        let mut out = Vec::with_capacity(1024);
        let mut writer = DocumentWriter::new(&mut out);
        let operands = std::iter::once(&self.first).chain(&self.second);
        writer.array("$and", |items| {
            for (operand, placeholder) in operands.zip(placeholders) {
                items.item(|item, index| {
                    item.document(index, |clause| self.write_clause(clause, operand, placeholder))
                        .map(|_| ())
                })?;
            }
            Ok::<_, CoreError>(())
        })?;
        writer.finish()?;
        Ok(out)
    }

    fn write_clause(
        &self,
        clause: &mut DocumentWriter<'_>,
        operand: &Operand<'_>,
        placeholder: &[u8],
    ) -> Result<(), CoreError> {
        let operator = operand.operator.name();
        if self.is_aggregation {
            let field = std::str::from_utf8(self.field).map_err(|_| MalformedBson)?;
            clause.array(operator, |arguments| {
                arguments.item(|item, index| {
                    item.str(index, field);
                });
                arguments.item(|item, index| {
                    item.binary(index, subtype::ENCRYPTED, placeholder);
                });
                Ok::<_, CoreError>(())
            })?;
        } else {
            let mut inner = DocumentWriter::new(clause.element(kind::DOCUMENT, self.field));
            inner.binary(operator, subtype::ENCRYPTED, placeholder);
            inner.finish()?;
        }
        Ok(())
    }
}

/// `{$gt: ["$f", a]}`
fn parse_aggregation<'a>(element: &Element<'a>) -> Result<(&'a [u8], Operand<'a>), CoreError> {
    let name = element.name_lossy();
    let operator = RangeOperator::parse(element.name)
        .ok_or_else(|| problem(&format!("unsupported operator type {name}")))?;
    let array = element.as_array().ok_or_else(|| problem("expected argument to be array"))?;
    let arguments = Elements::of(array)?.collect::<Result<Vec<_>, _>>()?;
    let [path, bound] = arguments.as_slice() else {
        let count = arguments.len();
        return Err(problem(&format!("expected 2 elements in operand {name}, got {count}")));
    };
    let path = path
        .as_str()
        .ok_or_else(|| problem(&format!("expected UTF-8 as first element in {name}")))?;
    Ok((path.as_bytes(), Operand { operator, bound: *bound }))
}

/// `{f: {$gt: a}}`
fn parse_filter<'a>(element: &Element<'a>) -> Result<(&'a [u8], Operand<'a>), CoreError> {
    let field = element.name_lossy();
    let document =
        element.as_document().ok_or_else(|| problem("expected argument to be document"))?;
    let conditions = Elements::of(document)?.collect::<Result<Vec<_>, _>>()?;
    let [condition] = conditions.as_slice() else {
        let count = conditions.len();
        return Err(problem(&format!("expected 1 elements in operand {field}, got {count}")));
    };
    let operator = RangeOperator::parse(condition.name)
        .ok_or_else(|| problem(&format!("unsupported operator: {}", condition.name_lossy())))?;
    Ok((element.name, Operand { operator, bound: *condition }))
}

fn problem(text: &str) -> CoreError {
    QeError::from(RangeError::Expression(text.to_owned())).into()
}

/// The next id, 0 after the largest.
fn next_payload_id() -> i32 {
    let next = |id: i32| Some(id.checked_add(1).unwrap_or(0));
    NEXT_PAYLOAD_ID.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(0)
}
