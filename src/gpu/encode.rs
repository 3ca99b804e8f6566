//! From prepared entries to commands. Knows nothing of plans.

/// A dispatch ready to be replayed.
pub(super) struct Prepared {
    pub(super) label: String,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) bind_group: wgpu::BindGroup,
    pub(super) groups: [u32; 3],
    pub(super) flops: u64,
}

impl Prepared {
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.insert_debug_marker(&self.label);
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.groups[0], self.groups[1], self.groups[2]);
    }
}

/// A prepared item of a program.
pub(super) enum Entry {
    Dispatch(Prepared),
    /// by the buffer's place in the plan
    Clear(usize),
}

/// Encodes entries up to the submit's budget; returns how many.
pub(super) fn encode(
    encoder: &mut wgpu::CommandEncoder,
    buffers: &[wgpu::Buffer],
    entries: &[Entry],
    budget: u64,
) -> usize {
    let (mut done, mut flops) = (0, 0);
    while done < entries.len() && flops < budget {
        if let Entry::Clear(buffer) = &entries[done] {
            encoder.clear_buffer(&buffers[*buffer], 0, None);
            done += 1;
            continue;
        }
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        while let Some(Entry::Dispatch(d)) = entries.get(done) {
            d.record(&mut pass);
            done += 1;
            flops = flops.saturating_add(d.flops);
            if flops >= budget {
                break;
            }
        }
    }
    done
}

/// Encodes all of `entries`, a pass for each row of dispatches between clears. With a query set, the first pass
/// writes its query 0 as it begins and the last one its query 1 as it ends.
pub(super) fn encode_between(
    encoder: &mut wgpu::CommandEncoder,
    buffers: &[wgpu::Buffer],
    entries: &[&Entry],
    queries: Option<&wgpu::QuerySet>,
) {
    let is_dispatch = |entry: &Entry| matches!(entry, Entry::Dispatch(_));
    let rows: Vec<&[&Entry]> = entries.chunk_by(|a, b| is_dispatch(a) && is_dispatch(b)).collect();
    let first = rows.iter().position(|row| is_dispatch(row[0]));
    let last = rows.iter().rposition(|row| is_dispatch(row[0]));
    for (at, row) in rows.iter().enumerate() {
        if let Entry::Clear(buffer) = row[0] {
            encoder.clear_buffer(&buffers[*buffer], 0, None);
            continue;
        }
        let begins = (first == Some(at)).then_some(0);
        let ends = (last == Some(at)).then_some(1);
        let timestamp_writes = queries.filter(|_| begins.is_some() || ends.is_some()).map(|query_set| {
            wgpu::ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: begins,
                end_of_pass_write_index: ends,
            }
        });
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
        for entry in *row {
            if let Entry::Dispatch(d) = entry {
                d.record(&mut pass);
            }
        }
    }
}
