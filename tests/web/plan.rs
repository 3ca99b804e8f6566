//! The exported plan and the files of a page, without a device.

use serde_json::{Value, json};
use wgvae::config::{FlowConfig, FlowSize, Likelihood, ModelConfig};
use wgvae::data::Resize;
use wgvae::gpu::kernel::reflect;
use wgvae::model::StateDict;
use wgvae::model::flow::{self, FlowSampling};
use wgvae::ops::Step;
use wgvae::web::{self, Files, Page, PageFlow, Precision, Recorded};

use crate::{flow::fitted, parsed};

/// A spatial model of 64 latents, and the flow that a test draws from.
const SPATIAL: ModelConfig = ModelConfig::spatial(16, 4, 4, 4);

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn names(values: &[Value], key: &str) -> Vec<String> {
    values.iter().map(|value| value[key].as_str().expect("a name").to_owned()).collect()
}

/// Every dispatch has its whole shader, its bindings in their order, and keeps to the limits of every adapter.
fn check(recorded: &Recorded) -> Value {
    let plan: Value = serde_json::to_value(&recorded.plan).expect("a document");
    let fields = names(list(&plan["uniforms"]["step"]), "name");
    assert_eq!(fields, Step::FIELDS);
    for (name, run) in plan["runs"].as_object().expect("runs") {
        let set = run["step"].as_object().expect("fields");
        assert!(set.keys().all(|key| fields.contains(key)), "{name}: {set:?}");
    }
    let limits = wgpu::Limits::default();
    let mut dispatches = 0;
    for step in plan["programs"].as_object().expect("programs").values().flat_map(list) {
        let Some(shader) = step["shader"].as_str() else { continue };
        dispatches += 1;
        let source = step["header"].as_str().expect("a header").to_owned() + &recorded.shaders[shader];
        let reflection = reflect(step["kernel"].as_str().expect("a name"), &source);
        assert!(!reflection.subgroups && !reflection.f16, "{shader} asks for more than every adapter has");
        let expected: Vec<&str> = reflection.bindings.iter().map(|(name, _)| name.as_str()).collect();
        let bindings = list(&step["bindings"]);
        assert_eq!(names(bindings, "name"), expected, "{shader}");
        assert!(bindings.len() <= limits.max_storage_buffers_per_shader_stage as usize, "{shader}");
        for binding in bindings {
            let of = |key: &str| binding[key].as_u64().expect("a number");
            assert_eq!(of("offset") % u64::from(limits.min_storage_buffer_offset_alignment), 0, "{binding}");
            assert!(of("bytes") <= limits.max_storage_buffer_binding_size, "{binding}");
            // WebGPU refuses a dispatch that binds a buffer twice and writes it
            let same = bindings.iter().filter(|other| other["buffer"] == binding["buffer"]).count();
            assert!(same == 1 || binding["access"] != "read_write", "{step}");
        }
        let groups = list(&step["groups"]).iter().map(|n| n.as_u64().expect("a number"));
        assert!(groups.max() <= Some(limits.max_compute_workgroups_per_dimension.into()), "{step}");
        let invocations = reflection.workgroup_size.iter().product::<u32>();
        assert!(invocations <= limits.max_compute_invocations_per_workgroup, "{shader}");
    }
    assert!(dispatches > 12, "{dispatches} dispatches");
    plan
}

#[test]
fn an_export_is_the_plan_and_no_more() {
    let config = ModelConfig::reference(32, 4, 6);
    let plan = check(&web::record(&config, Likelihood::default(), None).expect("recorded"));
    assert_eq!(
        plan["runs"]["sample"]["programs"],
        json!(["prior", "draw", "reparameterize", "decode", "picture"]),
        "the order of Vae::sample"
    );
    for part in [&plan["runs"]["flow"], &plan["tensors"]["flow_labels"], &plan["flow_parameters"]] {
        assert!(part.is_null(), "a model without a flow has none of it: {part}");
    }
}

#[test]
fn a_flow_is_a_run_of_the_plan() {
    for (config, guidance, rows) in
        [(SPATIAL, Some(2.0), 2), (SPATIAL, None, 1), (ModelConfig::reference(16, 1, 6), Some(0.0), 2)]
    {
        let of_flow = FlowConfig::new(&config, FlowSize::Small, 3);
        let flow = FlowSampling { config: of_flow, steps: 2, guidance };
        let plan = check(&web::record(&config, Likelihood::default(), Some(flow)).expect("recorded"));
        let step = ["flow velocity", "flow predict", "flow velocity", "flow correct"];
        let programs = [&["flow start"][..], &step, &step, &["flow finish", "decode", "picture"]].concat();
        assert_eq!(plan["runs"]["flow"]["programs"], json!(programs), "the order of Vae::sample_flow");
        assert_eq!(plan["runs"]["flow"]["step"], plan["runs"]["sample"]["step"]);
        assert_eq!(plan["tensors"]["flow_labels"]["shape"], json!([rows]));
        let own = plan["flow_parameters"].as_object().expect("ranges");
        // parameters in one tensor are named together
        let named: Vec<&str> = own.keys().flat_map(|name| name["flow.".len()..].split('+')).collect();
        for (name, _) in flow::names(&of_flow) {
            assert!(named.contains(&name.as_str()), "{name}");
        }
        assert!(own.contains_key("flow.standard"));
        assert!(plan["parameters"].as_object().expect("ranges").keys().all(|name| !own.contains_key(name)));
    }
}

/// The page of a small model with a flow.
fn page(precision: Precision) -> Files {
    let weights = StateDict::initial(&SPATIAL, 1);
    let fitted = fitted(&SPATIAL, &weights, &["coast", "dunes"]);
    let page = Page {
        title: "small".into(),
        config: SPATIAL,
        likelihood: Likelihood::default(),
        reading: Resize::Stretch.into(),
        weights: &weights,
        precision,
        rounding: None,
        prior: None,
        flow: Some(PageFlow { fitted: &fitted, steps: 2, guidance: Some(1.5) }),
        kl: None,
    };
    page.files().expect("a page")
}

#[test]
fn a_page_has_the_parameters_of_its_flow() {
    let [whole, half] = [Precision::F32, Precision::F16].map(page);
    for _ in 0..4 {
        assert!(page(Precision::F32) == whole, "equal pages have equal bytes");
    }
    let manifest = parsed(&whole, web::MANIFEST);
    let parameters = flow::parameter_count(&FlowConfig::new(&SPATIAL, FlowSize::Small, 2));
    let about =
        json!({ "parameters": parameters, "steps": 2, "guidance": 1.5, "classes": ["coast", "dunes"] });
    assert_eq!(manifest["flow"], about);
    assert_eq!(manifest["format"], json!(1), "pages of earlier versions read it, and leave the flow out");
    for (name, bytes) in whole.iter().filter(|(name, _)| *name != web::MANIFEST) {
        let entry = &manifest["files"][name];
        assert_eq!(entry["bytes"], json!(bytes.len()), "{name}");
        assert_eq!(entry["sha256"].as_str().map(str::len), Some(64), "{name}");
    }

    let plan = parsed(&whole, "plan.json");
    for (files, bytes_each) in [(&whole, 4), (&half, 2)] {
        let file = safetensors::SafeTensors::deserialize(&files["flow.safetensors"]).expect("tensors");
        let ranges = plan["flow_parameters"].as_object().expect("ranges");
        assert_eq!(file.len(), ranges.len());
        for (name, range) in ranges {
            let tensor = file.tensor(name).expect("the slot's values");
            let bytes = if name == "flow.standard" { 4 } else { bytes_each };
            assert_eq!(json!(tensor.data().len() / bytes * 4), range["bytes"], "{name}");
        }
        let standard = file.tensor("flow.standard").expect("mean and deviation");
        let standard: &[f32] = &bytemuck::pod_collect_to_vec::<u8, f32>(standard.data());
        let latents = SPATIAL.latents() as usize;
        assert_eq!(standard, [vec![0.25; latents], vec![1.5; latents]].concat());
    }
}
