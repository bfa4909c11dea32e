//! From a declaration to async-graphql's registry, from which the SDL is printed and against
//! which documents are validated. One of the two modules that use items hidden from its docs.

use async_graphql::indexmap::{IndexMap, IndexSet};
use async_graphql::registry::{Deprecation, MetaField, MetaInputValue, MetaType, Registry};

use super::declare::{Entity, FieldDef, Kind, Type};
use super::slots::CheckedArgs;

/// Enters `T` and everything it refers to; returns its name.
pub(crate) fn register<T: Entity>(registry: &mut Registry) -> String {
    if registry.types.contains_key(T::NAME) {
        return T::NAME.into();
    }
    let declared = Type::<T>::new();
    // Types refer to each other in circles: the name is entered first, so that a second visit
    // stops at the check above.
    registry
        .types
        .insert(T::NAME.into(), object(T::NAME, None, IndexMap::new()));
    for interface in &declared.interfaces {
        let interface = interface(registry);
        registry.add_implements(T::NAME, &interface);
    }
    let possible_types: IndexSet<String> = declared
        .possible
        .iter()
        .map(|(register, _)| register(registry))
        .collect();
    let fields = declared
        .fields
        .iter()
        .map(|(name, field)| ((*name).to_owned(), meta_field(name, field, registry)))
        .collect();
    let description = (!declared.doc.is_empty()).then(|| declared.doc.to_owned());
    let entry = match T::KIND {
        Kind::Object => object(T::NAME, description, fields),
        Kind::Interface => MetaType::Interface {
            name: T::NAME.into(),
            description,
            fields,
            possible_types,
            extends: false,
            inaccessible: false,
            tags: Vec::new(),
            keys: None,
            visible: None,
            rust_typename: None,
            directive_invocations: Vec::new(),
            requires_scopes: Vec::new(),
        },
    };
    registry.types.insert(T::NAME.into(), entry);
    T::NAME.into()
}

fn object(
    name: &str,
    description: Option<String>,
    fields: IndexMap<String, MetaField>,
) -> MetaType {
    MetaType::Object {
        name: name.into(),
        description,
        fields,
        cache_control: Default::default(),
        extends: false,
        shareable: false,
        resolvable: true,
        inaccessible: false,
        interface_object: false,
        tags: Vec::new(),
        keys: None,
        visible: None,
        is_subscription: false,
        rust_typename: None,
        directive_invocations: Vec::new(),
        requires_scopes: Vec::new(),
    }
}

fn meta_field<T: Entity>(name: &str, field: &FieldDef<T>, registry: &mut Registry) -> MetaField {
    MetaField {
        name: name.into(),
        description: (!field.doc.is_empty()).then(|| field.doc.into()),
        args: (field.arguments)(registry),
        ty: (field.ty)(registry),
        deprecation: Deprecation::NoDeprecated,
        cache_control: Default::default(),
        external: false,
        requires: None,
        provides: None,
        visible: None,
        shareable: false,
        inaccessible: false,
        tags: Vec::new(),
        override_from: None,
        compute_complexity: None,
        directive_invocations: Vec::new(),
        requires_scopes: Vec::new(),
    }
}

/// The fields of the input object `A` as arguments; types they refer to are entered.
pub(super) fn arguments_of<A: CheckedArgs>(
    registry: &mut Registry,
) -> IndexMap<String, MetaInputValue> {
    let mut scratch = Registry::default();
    A::create_type_info(&mut scratch);
    let own = scratch.types.remove(A::type_name().as_ref());
    for (name, ty) in scratch.types {
        registry.types.entry(name).or_insert(ty);
    }
    match own {
        Some(MetaType::InputObject { input_fields, .. }) => input_fields,
        _ => IndexMap::new(),
    }
}
