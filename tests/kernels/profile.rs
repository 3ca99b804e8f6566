//! Profiling: every dispatch is timed once, in order, by either clock, and the results do not change.

use std::time::{Duration, Instant};

use wgvae::config::ModelConfig;
use wgvae::gpu::profile::{CLEAR, COPY, Row, Span, rows};
use wgvae::gpu::{
    Adapter, Capabilities, Clock, GpuRunner, Item, Op, Plan, ProgramId, ReferenceRunner, Runner, Tensor,
    Timing, Timings, trace,
};
use wgvae::model::{Device, Input, Loss, ModelOptions, StepSettings, Vae};
use wgvae::ops::Tuning;
use wgvae::ops::adam::Adam;
use wgvae::ops::elementwise::Elementwise;
use wgvae::ops::gemm::Epilogue;
use wgvae::ops::gemm::split_k::SplitK;
use wgvae::ops::loss_scale::LossScale;
use wgvae::ops::step::Step;
use wgvae::ops::totals::TotalsSlots;

use crate::common;

const TINY: ModelConfig = ModelConfig::reference(16, 4, 4);

fn build(batch: u32, micro: u32) -> ModelOptions {
    ModelOptions { micro: Some(micro), ..ModelOptions::training(TINY, batch) }
}

/// Trains `steps` steps on pictures of one colour and waits for all of them.
fn train(vae: &mut Vae, first: u64, steps: u64) -> Vec<Loss> {
    let batch = vae.batch();
    let rgba = vec![0xff80_4020; (batch * TINY.size * TINY.size) as usize];
    for step in first..first + steps {
        vae.train_step(
            Input::Rgba(&rgba),
            batch,
            &StepSettings { seed: 5, step, lr: 1e-3, beta: 0.2, ..StepSettings::default() },
        )
        .expect("step");
    }
    vae.losses(true).expect("losses").into_iter().map(|(_, of)| of.loss).collect()
}

/// Program, label and kernel of every item that a step runs, from the plan.
fn expected(plan: &Plan, micro_batches: usize) -> Vec<(&'static str, String, &'static str)> {
    let middle = ["unpack", "encode", "draw", "reparameterize", "decode", "backward"];
    let names = [vec!["begin"], middle.repeat(micro_batches), vec!["update"]].concat();
    let mut all = Vec::new();
    for name in names {
        let program = plan.programs.iter().find(|p| p.name == name).expect(name);
        all.extend(program.items.iter().map(|item| match item {
            Item::Dispatch(d) => (program.name, d.label.clone(), d.kernel),
            Item::Clear(buffer) => (program.name, plan.buffers[buffer.index()].label.clone(), CLEAR),
            Item::TextureCopy(copy) => (program.name, copy.label.clone(), COPY),
        }));
    }
    all
}

fn names(timings: &Timings) -> Vec<(&'static str, String, &'static str)> {
    timings.device.iter().map(|t| (t.program, t.label.clone(), t.kernel)).collect()
}

fn clock_of(adapter: &Adapter, timed: bool) -> Clock {
    let there = adapter.features.contains(wgpu::Features::TIMESTAMP_QUERY);
    if timed && there { Clock::Device } else { Clock::Host }
}

/// Checks every record; `wall` is the time from switching on to the end of the read-back.
fn plausible(timings: &Timings, wall: Duration) {
    let wall = wall.as_nanos() as u64;
    let mut last = 0;
    for t in &timings.device {
        assert!(t.begin_ns <= t.end_ns, "{t:?} ends before it begins");
        assert!(t.begin_ns >= last, "{t:?} begins before the one in front of it, at {last}");
        assert!(t.flops < 100_000 || t.ns() > 0, "{t:?} took no time");
        assert!(t.bytes > 0 && (![CLEAR, COPY].contains(&t.kernel) || t.flops == 0), "{t:?}");
        last = t.begin_ns;
    }
    // the two clocks agree up to the time that a launch takes
    let slack = wall / 20 + 1_000_000;
    assert!(timings.busy_ns() > 0 && timings.busy_ns() <= wall + slack, "{} of {wall} ns", timings.busy_ns());
    assert!(last <= wall + slack, "the last dispatch begins at {last} of {wall} ns");
    // nothing begins before the host has submitted it
    let submitted = timings.host.iter().find(|span| span.what == "submit").map_or(0, |span| span.begin_ns);
    assert!(timings.device[0].begin_ns >= submitted, "{:?} and submitted at {submitted}", timings.device[0]);
    for span in &timings.host {
        assert!(span.begin_ns <= span.end_ns && span.end_ns <= wall, "{span:?} of {wall} ns");
    }
}

#[test]
fn every_dispatch_is_timed_once_by_either_clock() {
    let Some(adapter) = common::adapter() else { return };
    let tuning = Tuning::of(&adapter.capabilities());
    for timed in [true, false] {
        let place = if timed { Device::Timed(&adapter, &tuning) } else { Device::Gpu(&adapter) };
        let mut vae = Vae::new(place, build(5, 2), 1).expect("model");
        train(&mut vae, 0, 1);
        assert!(vae.timings().expect("timings").device.is_empty(), "nothing is recorded unless asked for");
        let began = Instant::now();
        vae.profile(true).expect("on");
        train(&mut vae, 1, 2);
        let timings = vae.timings().expect("timings");
        plausible(&timings, began.elapsed());
        assert_eq!(timings.clock, clock_of(&adapter, timed));
        let mut step = expected(vae.plan(), 3);
        if timings.untimed > 0 {
            let others = step.iter().filter(|(_, _, kernel)| [CLEAR, COPY].contains(kernel)).count();
            assert_eq!(timings.untimed, 2 * others as u64);
            step.retain(|(_, _, kernel)| ![CLEAR, COPY].contains(kernel));
        }
        assert_eq!(names(&timings), [step.clone(), step].concat(), "by {}", timings.clock);
        for what in ["write", "encode", "submit", "wait"] {
            assert!(timings.host.iter().any(|span| span.what == what), "the host did not {what}");
        }
        assert!(vae.timings().expect("timings").device.is_empty(), "the record is empty afterwards");
        vae.profile(false).expect("off");
        train(&mut vae, 3, 1);
        assert!(vae.timings().expect("timings").device.is_empty(), "nothing is recorded after that");
    }
}

#[test]
fn the_twins_are_timed_as_well() {
    let mut vae = Vae::new(Device::Twins, build(2, 2), 1).expect("model");
    let began = Instant::now();
    vae.profile(true).expect("on");
    train(&mut vae, 0, 1);
    let timings = vae.timings().expect("timings");
    plausible(&timings, began.elapsed());
    assert_eq!(names(&timings), expected(vae.plan(), 1));
}

/// More dispatches than a query set has pairs of queries are timed in several parts, without a gap.
#[test]
fn more_dispatches_than_a_query_set_has_room_for() {
    let Some(adapter) = common::adapter() else { return };
    let mut vae = Vae::new(Device::Timed(&adapter, &Tuning::of(&adapter.capabilities())), build(60, 1), 1)
        .expect("model");
    train(&mut vae, 0, 1);
    let began = Instant::now();
    vae.profile(true).expect("on");
    train(&mut vae, 1, 2);
    let timings = vae.timings().expect("timings");
    plausible(&timings, began.elapsed());
    let mut step = expected(vae.plan(), 60);
    assert!(step.len() > 2048, "{} dispatches", step.len());
    if timings.untimed > 0 {
        step.retain(|(_, _, kernel)| ![CLEAR, COPY].contains(kernel));
    }
    assert!(names(&timings) == [step.clone(), step].concat(), "{} timings", timings.device.len());
}

#[test]
fn profiled_steps_compute_equal_bits() {
    let Some(adapter) = common::adapter() else { return };
    let run = |place: Device<'_>, profiled: bool| {
        let mut vae = Vae::new(place, build(4, 2), 1).expect("model");
        vae.profile(profiled).expect("profile");
        let losses = train(&mut vae, 0, 3);
        let weights = vae.weights().expect("weights");
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        (losses, weights.tensors.iter().flat_map(|t| bits(&t.values)).collect::<Vec<_>>())
    };
    let plain = run(Device::Gpu(&adapter), false);
    assert_eq!(plain.0.len(), 3);
    assert!(
        run(Device::Timed(&adapter, &Tuning::of(&adapter.capabilities())), true) == plain,
        "by timestamps"
    );
    assert!(run(Device::Gpu(&adapter), true) == plain, "by the host's clock");
}

/// A program that adds the sums of 100 ones to four totals, after a clear of the totals if `clears`.
fn summing(target: &Capabilities, clears: bool) -> (Plan, ProgramId, [Tensor; 2]) {
    let mut plan = Plan::of(target);
    let program = plan.program("sum");
    let tensors = [plan.tensor("x", &[100, 4]), plan.tensor("total", &[4])];
    if clears {
        plan.clear(program, tensors[1].buffer);
    }
    let sum = SplitK::new(100, 4, 4, Epilogue::ACCUMULATE);
    plan.dispatch(program, "sum", sum, &[tensors[0], tensors[0].slice(0, 4), tensors[1]]);
    (plan, program, tensors)
}

#[test]
fn a_program_is_timed_as_often_as_asked() {
    let Some(adapter) = common::adapter() else { return };
    let makers: [fn(&Adapter, Plan) -> wgvae::error::Result<GpuRunner>; 2] =
        [GpuRunner::timed, GpuRunner::new];
    for make in makers {
        for (clears, want) in [(false, 700.0), (true, 100.0)] {
            let (mut plan, program, [x, total]) = summing(&adapter.capabilities(), clears);
            let empty = plan.program("empty");
            let mut runner = make(&adapter, plan).expect("runner");
            runner.write_f32(&x, &[1.0; 400]);
            let began = Instant::now();
            let took = runner.time(program, 7).expect("time");
            assert!(took > Duration::ZERO && took <= began.elapsed() + Duration::from_millis(1), "{took:?}");
            assert_eq!(runner.read(&total).expect("total"), [want; 4], "clears: {clears}");
            runner.time(empty, 3).expect("nothing to run");
            runner.time(program, 0).expect("not run at all");
            assert_eq!(runner.read(&total).expect("total"), [want; 4]);
        }
    }
}

fn timing(label: &str, kernel: &'static str, begin_ns: u64, end_ns: u64) -> Timing {
    Timing { label: label.into(), kernel, program: "p", begin_ns, end_ns, flops: 600, bytes: 90 }
}

/// Adam reads four tensors and writes three of them. A sum that is added to its output reads that too.
#[test]
fn tensors_that_are_read_and_written_move_twice() {
    const LEN: u32 = 1024;
    let bytes = |op: Box<dyn Op>| {
        let mut plan = Plan::of(&Capabilities::webgpu_default());
        let program = plan.program("p");
        let operands = op.operands();
        let tensors: Vec<_> = operands.iter().map(|(name, shape)| plan.tensor(*name, shape.dims())).collect();
        plan.dispatch_boxed(program, "op".into(), op, &tensors);
        plan.get(program).dispatches().next().expect("recorded").bytes()
    };
    let small = [Step::shape(), LossScale::shape(), TotalsSlots::shape()].map(|shape| u64::from(shape.len()));
    let adam = bytes(Box::new(Adam::new(LEN, Elementwise::default())));
    assert_eq!(adam, 4 * (7 * u64::from(LEN) + small.iter().sum::<u64>()));
    let sum = |epilogue| bytes(Box::new(SplitK::new(3, LEN, LEN, epilogue)));
    assert_eq!(sum(Epilogue::ACCUMULATE) - sum(Epilogue::NONE), 4 * u64::from(LEN));
}

#[test]
fn rows_add_up_equal_kernels_and_labels() {
    let list = [
        timing("a", "k", 0, 100),
        timing("b", "k", 100, 400),
        timing("a", "k", 400, 500),
        timing("a", "l", 500, 501),
    ];
    let shown = |rows: &[Row]| -> Vec<(String, &str, u64, u64)> {
        rows.iter().map(|r| (r.label.clone(), r.kernel, r.calls, r.ns)).collect()
    };
    let labels = rows(&list, true);
    let want = [("b", "k", 1, 300), ("a", "k", 2, 200), ("a", "l", 1, 1)];
    assert_eq!(shown(&labels), want.map(|(label, kernel, calls, ns)| (label.to_owned(), kernel, calls, ns)));
    assert_eq!((labels[1].flops, labels[1].bytes), (1200, 180));
    assert_eq!((labels[1].gflops(), labels[1].gbps()), (6.0, 0.9));
    let kernels = rows(&list, false);
    assert_eq!(shown(&kernels), [(String::new(), "k", 3, 500), (String::new(), "l", 1, 1)]);
    assert_eq!(rows(&[timing("a", "k", 5, 5)], true)[0].gflops(), 0.0, "no time, no rate");
}

#[test]
fn a_trace_has_an_event_for_everything() {
    let timings = Timings {
        clock: Clock::Device,
        device: vec![timing("a", "k", 2_000, 5_500)],
        host: vec![Span { what: "wait", begin_ns: 1_000, end_ns: 6_000 }],
        untimed: 0,
    };
    let document = trace::document(&timings, "title");
    let events = document["traceEvents"].as_array().expect("events");
    let complete: Vec<_> = events.iter().filter(|e| e["ph"] == "X").collect();
    assert_eq!(complete.len(), 2);
    assert_eq!((&complete[0]["name"], &complete[0]["cat"]), (&"a".into(), &"k".into()));
    assert_eq!((&complete[0]["ts"], &complete[0]["dur"]), (&2.0.into(), &3.5.into()));
    let args = serde_json::json!({ "kernel": "k", "program": "p", "flops": 600, "bytes": 90 });
    assert_eq!(complete[0]["args"], args);
    assert_eq!((&complete[1]["name"], &complete[1]["dur"]), (&"wait".into(), &5.0.into()));
    assert_ne!(complete[0]["tid"], complete[1]["tid"], "the device and the host have a track each");
    for event in &complete {
        let named = |e: &serde_json::Value| e["name"] == "thread_name" && e["tid"] == event["tid"];
        assert_eq!(events.iter().filter(|e| named(e)).count(), 1, "a name for track {}", event["tid"]);
    }
}

#[test]
fn a_recording_starts_from_nothing() {
    let (plan, program, _) = summing(&Capabilities::webgpu_default(), true);
    let mut runner = ReferenceRunner::new(plan);
    runner.profile(true).expect("on");
    runner.run(&[program]).expect("run");
    runner.profile(true).expect("on again");
    assert!(runner.timings().expect("timings").device.is_empty());
}
