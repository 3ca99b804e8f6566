// Replays an exported plan: creates buffers, pipelines and bind groups once, and then runs lists of dispatches.
// It knows buffers and dispatches, but not what they compute.

import { PageError } from "./files.js";

const KINDS = { uniform: "uniform", read: "read-only-storage", read_write: "storage" };

/** Opens a device with the limits that the plan requires. */
export async function openDevice(plan) {
    if (!navigator.gpu) {
        throw new PageError(
            "This browser has no WebGPU, which draws the pictures here. Current versions of Chrome, Edge, Firefox " +
                "and Safari have it on most machines; it also needs a page that comes by HTTPS or from this machine.",
        );
    }
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) {
        throw new PageError(
            "WebGPU is there, but it finds no graphics adapter: perhaps the browser's hardware acceleration is " +
                "switched off, or the graphics driver is too old.",
        );
    }
    const requiredLimits = {};
    for (const [name, needed] of Object.entries(plan.limits)) {
        if (adapter.limits[name] < needed) {
            const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
            throw new PageError(
                `This model is too large for this graphics adapter: it needs ${mebibytes(needed)} (${name}), ` +
                    `and the adapter allows ${mebibytes(adapter.limits[name])}.`,
            );
        }
        requiredLimits[name] = needed;
    }
    try {
        const device = await adapter.requestDevice({ requiredLimits });
        return { device, adapter: describe(adapter.info) };
    } catch (error) {
        throw new PageError(`The graphics adapter gives no device: ${error.message}`);
    }
}

function describe(info) {
    const words = [info?.vendor, info?.architecture, info?.device, info?.description];
    return [...new Set(words.filter(Boolean))].join(" ") || "an adapter without a name";
}

export class Replay {
    /** `kernels` maps names to shader sources. */
    constructor(device, plan, kernels) {
        this.device = device;
        this.plan = plan;
        this.kernels = kernels;
        this.pipelines = new Map();
        this.bound = new Map();
        this.staging = new Map();
        this.turn = Promise.resolve();
        /** is told of kernels that a run has to wait for: the number of ready dispatches, and of all */
        this.compiling = () => {};
        this.buffers = plan.buffers.map(({ label, bytes, usage }) => {
            const kind = usage === "uniform" ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE;
            return device.createBuffer({
                label,
                size: bytes,
                usage: kind | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
            });
        });
    }

    /** Fills the parameters' buffers. */
    load(parameters) {
        const ranges = { ...this.plan.parameters, ...this.plan.flow_parameters };
        for (const [name, range] of Object.entries(ranges)) {
            const values = parameters[name];
            if (values?.byteLength !== range.bytes) {
                throw new PageError(`The parameters have no ${name} of ${range.bytes} bytes: export the page again.`);
            }
            this.write(range, values);
        }
    }

    /** Writes a typed array or a DataView to a range. Every implementation takes bytes; some take no other views. */
    write({ buffer, offset }, values) {
        const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
        this.device.queue.writeBuffer(this.buffers[buffer], offset, bytes);
    }

    items(run) {
        return this.plan.runs[run].programs.flatMap((name) => this.plan.programs[name]);
    }

    /** Compiles all kernels of `run`, side by side; `progress` gets the number of ready dispatches, and of all. */
    async prepare(run, progress = () => {}) {
        // a run may repeat a program
        const all = new Set(this.items(run).filter((item) => item.shader && !this.bound.has(item)));
        let done = 0;
        const prepared = [...all].map(async (dispatch) => {
            this.bound.set(dispatch, await this.bind(dispatch));
            progress(++done, all.size);
        });
        await Promise.all(prepared);
    }

    async bind(dispatch) {
        const { label, kernel, header, shader, entry, bindings } = dispatch;
        const code = header + this.kernels[shader];
        if (!this.pipelines.has(code)) this.pipelines.set(code, this.compile(kernel, code, entry, bindings));
        const { pipeline, layout } = await this.pipelines.get(code);
        const entries = bindings.map(({ buffer, offset, bytes }, binding) => ({
            binding,
            resource: { buffer: this.buffers[buffer], offset, size: bytes },
        }));
        return { pipeline, group: this.device.createBindGroup({ label, layout, entries }) };
    }

    async compile(label, code, entryPoint, bindings) {
        const { device } = this;
        const entries = bindings.map(({ access }, binding) => ({
            binding,
            visibility: GPUShaderStage.COMPUTE,
            buffer: { type: KINDS[access] },
        }));
        const layout = device.createBindGroupLayout({ label, entries });
        const module = device.createShaderModule({ label, code });
        try {
            const pipeline = await device.createComputePipelineAsync({
                label,
                layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
                compute: { module, entryPoint },
            });
            return { pipeline, layout };
        } catch (error) {
            throw new PageError(`The graphics driver refuses the kernel ${label}: ${error.message}`);
        }
    }

    /** The bytes of a run's uniform: the given fields override those of the plan; all others are zero. */
    uniform(run, fields) {
        const words = new DataView(new ArrayBuffer(this.plan.tensors.step.bytes));
        const values = { ...this.plan.runs[run].step, ...fields };
        for (const { name, offset, type } of this.plan.uniforms.step) {
            const value = values[name] ?? 0;
            if (type === "f32") words.setFloat32(offset, value, true);
            else words.setUint32(offset, value, true);
        }
        return words;
    }

    /** Writes `inputs` (tensor values by name), executes the run, and returns the bytes of the tensors in `outputs`.
     * Runs are executed one at a time, because they share buffers. */
    run(run, what) {
        const result = this.turn.then(() => this.runNow(run, what));
        this.turn = result.catch(() => {});
        return result;
    }

    async runNow(run, { step = {}, inputs = {}, outputs = [] }) {
        await this.prepare(run, this.compiling);
        const { device, plan } = this;
        this.write(plan.tensors.step, this.uniform(run, step));
        for (const [name, values] of Object.entries(inputs)) this.write(plan.tensors[name], values);
        const encoder = device.createCommandEncoder({ label: run });
        this.record(encoder, this.items(run));
        const copies = outputs.map((name) => this.copy(encoder, name));
        device.queue.submit([encoder.finish()]);
        const results = {};
        for (const [at, name] of outputs.entries()) {
            await copies[at].mapAsync(GPUMapMode.READ);
            results[name] = copies[at].getMappedRange().slice(0);
            copies[at].unmap();
        }
        return results;
    }

    record(encoder, items) {
        let pass = null;
        for (const item of items) {
            if (item.clear !== undefined) {
                pass?.end();
                pass = null;
                encoder.clearBuffer(this.buffers[item.clear]);
                continue;
            }
            pass ??= encoder.beginComputePass();
            const { pipeline, group } = this.bound.get(item);
            pass.setPipeline(pipeline);
            pass.setBindGroup(0, group);
            pass.dispatchWorkgroups(...item.groups);
        }
        pass?.end();
    }

    copy(encoder, name) {
        const { buffer, offset, bytes } = this.plan.tensors[name];
        if (!this.staging.has(name)) {
            const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
            this.staging.set(name, this.device.createBuffer({ label: `${name} to read`, size: bytes, usage }));
        }
        const staging = this.staging.get(name);
        encoder.copyBufferToBuffer(this.buffers[buffer], offset, staging, 0, bytes);
        return staging;
    }
}
