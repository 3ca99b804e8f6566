//! Kernels: WGSL files behind a generated header of constants, and their interface as naga reads it.
//!
//! WGSL is the source of truth for bindings, access and workgroup size. A plan fixes all sizes, so they are compiled in: the
//! header says `const params = Params(..);` for the `struct Params` of the file, and every division by a size is a division
//! by a constant.

use std::fmt::Write as _;

use super::tensor::Element;

/// WGSL requires these before anything else.
const ENABLE_F16: &str = "enable f16;\n";
const ENABLE_COOPERATIVE: &str = "enable wgpu_cooperative_matrix;\n";

/// One file of `shaders/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The file's path in `shaders/`, `conv/conv2d.wgsl`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

impl Source {
    /// The name of the kernel whose main file this is: `conv2d` of `conv/conv2d.wgsl`.
    pub fn kernel_name(&self) -> &'static str {
        let file = self.name.rsplit('/').next().unwrap_or(self.name);
        file.trim_end_matches(".wgsl")
    }
}

/// The [`Source`] of a file in `shaders/`: `wgsl!("conv/conv2d.wgsl")`.
#[macro_export]
macro_rules! wgsl {
    ($name:literal) => {
        $crate::gpu::kernel::Source {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $name)),
        }
    };
}

/// A compute kernel: its name and its files. The entry point is always `main`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The name of its main file, without the suffix.
    pub name: &'static str,
    /// The files, in any order, because WGSL's module scope has no order.
    pub files: Vec<Source>,
}

impl Kernel {
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.text.contains(name))
    }
}

/// A constant of a header.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// `u32`
    U32(u32),
    /// `f32`
    F32(f32),
    /// `bool`
    Bool(bool),
}

impl Value {
    /// The WGSL type.
    pub fn wgsl_type(self) -> &'static str {
        match self {
            Self::U32(_) => "u32",
            Self::F32(_) => "f32",
            Self::Bool(_) => "bool",
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::U32(v) => write!(f, "{v}u"),
            // the shortest text that reads back as equal bits
            Self::F32(v) => write!(f, "{v:?}f"),
            Self::Bool(v) => write!(f, "{v}"),
        }
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

impl From<f32> for Value {
    fn from(value: f32) -> Self {
        Self::F32(value)
    }
}

/// A name and its value.
pub type Constant = (&'static str, Value);

/// The sizes of one dispatch, in the order of the kernel's `struct Params`. Made by [`params!`](crate::params).
pub trait Params: Copy + Send + Sync + 'static {
    /// Name and value of each field in order.
    fn values(&self) -> Vec<Constant>;
}

/// Declares a `struct Params` of `u32` and `f32` fields. A test compares their names and types with the WGSL.
#[macro_export]
macro_rules! params {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident : $kind:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $kind),* }

        impl $crate::gpu::kernel::Params for $name {
            fn values(&self) -> Vec<$crate::gpu::kernel::Constant> {
                vec![$((stringify!($field), $crate::gpu::kernel::Value::from(self.$field))),*]
            }
        }
    };
}

/// The name of an operand's element type in WGSL, and the type.
pub type Alias = (&'static str, Element);

/// The name of an alias, and texels per row of a texture of its operand.
pub type Width = (&'static str, u32);

/// Composes a kernel's text: a header with sizes, constants, element types and texture widths, then its files. `grid_x` is
/// the width of the dispatch, which kernels need to find their place in a long row of workgroups folded into two dimensions.
pub fn compose(
    kernel: &Kernel,
    params: &[Constant],
    constants: &[Constant],
    aliases: &[Alias],
    widths: &[Width],
    grid_x: u32,
) -> String {
    let half = aliases.iter().any(|(_, element)| *element == Element::F16);
    let cooperative = kernel.mentions("coop_mat");
    let mut text = String::from(if half { ENABLE_F16 } else { "" });
    text.push_str(if cooperative { ENABLE_COOPERATIVE } else { "" });
    text.push_str("// sizes of this dispatch, written by the host\n");
    let list: Vec<String> = params.iter().map(|(_, value)| value.to_string()).collect();
    let _ = writeln!(text, "const params = Params({});", list.join(", "));
    let _ = writeln!(text, "const GRID_X: u32 = {grid_x}u;");
    for (name, value) in constants {
        let _ = writeln!(text, "const {name}: {} = {value};", value.wgsl_type());
    }
    for (name, element) in aliases {
        let _ = writeln!(text, "alias {name} = {};", element.name());
    }
    let read_as_texture = |name: &str| kernel.mentions(&format!("{name}Texture"));
    for (name, element) in aliases.iter().filter(|(name, _)| read_as_texture(name)) {
        let bits = 8 * element.bytes();
        let _ = writeln!(text, "alias {name}Texture = texture_storage_2d<rgba{bits}float, read>;");
    }
    for (name, width) in widths.iter().filter(|(name, _)| read_as_texture(name)) {
        let _ = writeln!(text, "const {}_WIDTH: u32 = {width}u;", name.to_uppercase());
    }
    for file in &kernel.files {
        let _ = write!(text, "\n{}", file.text);
    }
    text
}

/// Bytes of the header of a composed kernel, before its files. The header has no empty line, and each file begins after
/// one.
pub fn header_len(source: &str) -> usize {
    source.find("\n\n").map_or(source.len(), |at| at + 1)
}

/// The use of a binding by a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// `var<uniform>`
    Uniform,
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    ReadWrite,
    /// a storage texture that is read: a copy of the tensor
    Texture(Element),
}

/// A field of a uniform: a number of 32 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Bytes before it.
    pub offset: u32,
    /// `u32` or `f32`.
    pub wgsl_type: &'static str,
}

/// The interface of a composed kernel, as naga reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reflection {
    /// Name and access of each binding of group 0, in order from 0.
    pub bindings: Vec<(String, Access)>,
    /// The fields of the uniform, if it binds one.
    pub uniform: Vec<Field>,
    /// Invocations per workgroup in x, y, z.
    pub workgroup_size: [u32; 3],
    /// Whether its code needs subgroups.
    pub subgroups: bool,
    /// Whether its code needs 16-bit floats.
    pub f16: bool,
    /// Whether its code needs 64-bit integers.
    pub int64: bool,
    /// Whether its code needs cooperative matrices.
    pub cooperative: bool,
}

impl Reflection {
    /// Whether it reads textures.
    pub fn textures(&self) -> bool {
        self.bindings.iter().any(|(_, access)| matches!(access, Access::Texture(_)))
    }
}

/// Parses composed WGSL.
///
/// # Panics
/// On WGSL that does not parse, with naga's diagnostic: the shaders are code, not input.
pub fn parse(name: &str, source: &str) -> naga::Module {
    naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|e| panic!("kernel {name}:\n{}", e.emit_to_string(source)))
}

/// Parses composed WGSL and reads its bindings and workgroup size.
///
/// # Panics
/// As [`parse`], and if there is no entry point or the bindings have gaps.
pub fn reflect(name: &str, source: &str) -> Reflection {
    let module = parse(name, source);
    let mut bindings: Vec<(u32, String, Access)> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| {
            let binding = variable.binding?;
            let access = match variable.space {
                naga::AddressSpace::Uniform => Access::Uniform,
                naga::AddressSpace::Handle => Access::Texture(texels(&module, variable.ty)),
                naga::AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE) => {
                    Access::ReadWrite
                }
                _ => Access::Read,
            };
            Some((binding.binding, variable.name.clone().unwrap_or_default(), access))
        })
        .collect();
    bindings.sort_by_key(|(index, _, _)| *index);
    let numbered = bindings.iter().enumerate().all(|(at, (index, _, _))| at == *index as usize);
    assert!(numbered, "kernel {name}: bindings are not numbered from 0 without gaps");
    let entry = module.entry_points.first().unwrap_or_else(|| panic!("kernel {name}: no entry point"));
    Reflection {
        uniform: uniform(&module),
        bindings: bindings.into_iter().map(|(_, name, access)| (name, access)).collect(),
        workgroup_size: entry.workgroup_size,
        subgroups: source.lines().filter_map(|line| line.split("//").next()).any(|c| c.contains("subgroup")),
        f16: source.starts_with(ENABLE_F16),
        int64: module.types.iter().any(|(_, ty)| is_int64(&ty.inner)),
        cooperative: source[..header_len(source)].contains(ENABLE_COOPERATIVE),
    }
}

fn is_int64(inner: &naga::TypeInner) -> bool {
    inner.scalar().is_some_and(|scalar| matches!(scalar, naga::Scalar::U64 | naga::Scalar::I64))
}

/// The element type of a texture's texels.
fn texels(module: &naga::Module, ty: naga::Handle<naga::Type>) -> Element {
    let naga::TypeInner::Image { class: naga::ImageClass::Storage { format, .. }, .. } =
        module.types[ty].inner
    else {
        panic!("a kernel binds something that is neither a buffer nor a storage texture");
    };
    if format == naga::StorageFormat::Rgba16Float { Element::F16 } else { Element::F32 }
}

/// The fields of a module's uniform; empty if it has none.
fn uniform(module: &naga::Module) -> Vec<Field> {
    let mut globals = module.global_variables.iter().map(|(_, variable)| variable);
    let Some(variable) = globals.find(|variable| variable.space == naga::AddressSpace::Uniform) else {
        return Vec::new();
    };
    let naga::TypeInner::Struct { members, .. } = &module.types[variable.ty].inner else { return Vec::new() };
    let field = |member: &naga::StructMember| {
        let wgsl_type = match module.types[member.ty].inner {
            naga::TypeInner::Scalar(naga::Scalar::U32) => "u32",
            naga::TypeInner::Scalar(naga::Scalar::F32) => "f32",
            _ => return None,
        };
        Some(Field { name: member.name.clone().unwrap_or_default(), offset: member.offset, wgsl_type })
    };
    members.iter().filter_map(field).collect()
}
