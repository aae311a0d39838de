//! The published contract: OpenAPI for REST, AsyncAPI for Socket.IO.
//!
//! Both documents are built from one table each and from the schemas of the very types that are parsed and sent, so a field cannot
//! be in one and not in the other. [`shapes`] has what the server writes as plain JSON and no type of the model describes.

pub mod asyncapi;
pub mod openapi;
pub mod shapes;

use std::borrow::Cow;
use std::collections::BTreeMap;

use rooms::EventBody;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

type Found = Vec<(String, RefOr<Schema>)>;

/// A type that the contract names.
#[derive(Clone, Copy)]
pub struct Shape {
    name: fn() -> Cow<'static, str>,
    collect: fn(&mut Found),
}

/// The shape of a type.
pub fn shape<T: ToSchema>() -> Shape {
    Shape {
        name: T::name,
        collect: |found| {
            found.push((T::name().into_owned(), T::schema()));
            T::schemas(found);
        },
    }
}

/// What stands under `components.schemas`.
#[derive(Default)]
pub struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    /// Adds a type with all that it refers to; the reference to it.
    pub fn add(&mut self, shape: Shape) -> Value {
        let mut found = Vec::new();
        (shape.collect)(&mut found);
        for (name, schema) in found {
            self.0.entry(name).or_insert_with(|| json!(schema));
        }
        reference(&(shape.name)())
    }

    /// The schema of a type by its name, where it was added.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The schema of a type itself.
    pub fn inline(&mut self, shape: Shape) -> Value {
        self.add(shape);
        self.0.get(&*(shape.name)()).cloned().unwrap_or_default()
    }

    /// All of them. The derived schema spells an event's type as the code does; here it gets the name that is sent.
    fn into_json(mut self) -> Value {
        let variants = self.0.get_mut("EventBody").map(|body| &mut body["oneOf"]);
        if let Some(Value::Array(variants)) = variants {
            let mut names = EventBody::catalogue().into_iter().map(|e| e.0);
            for variant in variants {
                match names.next() {
                    Some(name) => variant["properties"]["type"] = json!({"const": name}),
                    None => {
                        variant["properties"] = json!({
                            "type": {"type": "string", "pattern": "^custom\\."},
                            "data": {"description": "Any JSON"},
                        })
                    }
                }
            }
        }
        json!(self.0)
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref") {
                    out.push(target);
                }
                map.values().for_each(|v| references(v, out));
            }
            Value::Array(items) => items.iter().for_each(|v| references(v, out)),
            _ => {}
        }
    }

    #[test]
    fn events_have_the_names_that_are_sent() {
        let document = openapi::document();
        let variants = &document["components"]["schemas"]["EventBody"]["oneOf"];
        let names: Vec<_> = variants
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|v| v["properties"]["type"]["const"].as_str())
            .collect();
        let wanted: Vec<_> = EventBody::catalogue().into_iter().map(|e| e.0).collect();
        assert_eq!(names, wanted);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        for document in [openapi::document(), asyncapi::document()] {
            let mut all = Vec::new();
            references(&document, &mut all);
            assert!(all.len() > 50);
            for target in all {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{target} is not there");
            }
        }
    }
}
