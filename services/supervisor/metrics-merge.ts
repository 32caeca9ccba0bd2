/** Prometheus text of one process. */
export type ProcessMetrics = { process: string; text: string };

type Family = { help: string | undefined; type: string | undefined; samples: string[] };

const commentLine = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) ?(.*)$/;
const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?(\s.+)$/;
const suffixes = ['_bucket', '_sum', '_count', '_total', '_created'];

/** `{a="b"}` and `process` as `{process="…",a="b"}`; a label of that name already there becomes `exported_process`. */
function withProcessLabel(labels: string | undefined, process: string): string {
  const own = `process="${process.replace(/[\\"\n]/g, '_')}"`;
  const inner = (labels ?? '{}').slice(1, -1).trim().replace(/,$/, '');
  if (inner === '') return `{${own}}`;
  return `{${own},${inner.replace(/(^|,)\s*process=(?=")/, '$1exported_process=')}}`;
}

/**
 * Several processes' metrics as one text: each family once, with one HELP and TYPE, every sample distinguished by a
 * label `process`. Lines that are not Prometheus text are dropped.
 */
export function mergeMetrics(sources: readonly ProcessMetrics[]): string {
  const families = new Map<string, Family>();
  const familyNamed = (name: string): Family => {
    const known = families.get(name);
    if (known) return known;
    const family: Family = { help: undefined, type: undefined, samples: [] };
    families.set(name, family);
    return family;
  };
  for (const { process, text } of sources) {
    const declared = new Set<string>();
    for (const line of text.split('\n')) {
      const comment = commentLine.exec(line);
      if (comment) {
        const [, kind, name, rest] = comment as unknown as [string, string, string, string];
        declared.add(name);
        const family = familyNamed(name);
        if (kind === 'HELP') family.help ??= rest;
        else family.type ??= rest;
        continue;
      }
      const sample = sampleLine.exec(line);
      if (!sample) continue;
      const [, name, labels, rest] = sample as unknown as [string, string, string | undefined, string];
      const suffix = declared.has(name)
        ? undefined
        : suffixes.find((s) => name.endsWith(s) && declared.has(name.slice(0, -s.length)));
      const family = familyNamed(suffix ? name.slice(0, -suffix.length) : name);
      family.samples.push(`${name}${withProcessLabel(labels, process)}${rest}`);
    }
  }
  const lines: string[] = [];
  for (const [name, { help, type, samples }] of families) {
    if (help !== undefined) lines.push(`# HELP ${name} ${help}`);
    if (type !== undefined) lines.push(`# TYPE ${name} ${type}`);
    lines.push(...samples);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
