//! A file's value as a flat list of tensors, each named by the path to it.
//! Read this for what counts as a tensor's name: keys of nested dictionaries and places in lists, with dots between.

use std::collections::HashSet;

use super::{Key, Result, Value};

/// Maximum number of bytes of all names: nested dictionaries repeat the keys above them.
const MAX_NAMES: usize = 64 << 20;
/// Key of a list of averaged parameters without names (the torch_ema package).
const UNNAMED: &str = "shadow_params";

/// A tensor, or another value under a name that a tensor could have.
pub(super) struct Leaf<'v, 'a> {
    pub(super) name: String,
    pub(super) value: &'v mut Value<'a>,
    /// number of the dictionary that it is in
    pub(super) group: usize,
}

/// The leaves of a value, in its order.
pub(super) struct Flat<'v, 'a> {
    pub(super) leaves: Vec<Leaf<'v, 'a>>,
    /// whether there is a list of averaged parameters without names
    pub(super) unnamed: bool,
    /// last parts of the names that the model needs
    tails: HashSet<String>,
    groups: usize,
    names: usize,
}

impl<'v, 'a> Flat<'v, 'a> {
    /// Flattens `value` for a model that needs tensors of these names.
    pub(super) fn new(value: &'v mut Value<'a>, needed: &[&str]) -> Result<Self> {
        let tails = needed.iter().map(|name| tail(name).to_owned()).collect();
        let mut flat = Self { leaves: Vec::new(), unnamed: false, tails, groups: 0, names: 0 };
        flat.walk(value, &mut String::new(), 0)?;
        Ok(flat)
    }

    /// A tree of values has a bounded depth, so this may recurse.
    fn walk(&mut self, value: &'v mut Value<'a>, path: &mut String, group: usize) -> Result<()> {
        match value {
            Value::Map(map) => {
                self.groups += 1;
                let group = self.groups;
                for (key, inner) in map {
                    self.unnamed |= *key == Key::Text(UNNAMED) && matches!(inner, Value::List(_));
                    match key {
                        Key::Text(key) => self.step(inner, path, key, group)?,
                        Key::Int(key) => self.step(inner, path, &key.to_string(), group)?,
                        Key::Other => {}
                    }
                }
            }
            Value::List(list) => {
                for (index, inner) in list.iter_mut().enumerate() {
                    if matches!(inner, Value::Map(_) | Value::List(_)) {
                        self.step(inner, path, &index.to_string(), group)?;
                    }
                }
            }
            // a value without a name is not in a dictionary
            _ if path.is_empty() => {}
            _ if matches!(value, Value::Tensor(_)) || self.tails.contains(tail(path)) => {
                self.names += path.len();
                if self.names > MAX_NAMES {
                    return Err(format!("has tensors with names of more than {MAX_NAMES} bytes in all"));
                }
                self.leaves.push(Leaf { name: path.clone(), value, group });
            }
            _ => {}
        }
        Ok(())
    }

    fn step(&mut self, value: &'v mut Value<'a>, path: &mut String, key: &str, group: usize) -> Result<()> {
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(key);
        let done = self.walk(value, path, group);
        path.truncate(length);
        done
    }
}

fn tail(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
