// About: services/wings/outbound/handoff/siem/
// The export to a SIEM against the published schema of OCSF 1.5.0, as JSON Schema by ocsf-json-schema (PyPI).
import { join } from 'node:path';
import Ajv2020Module from 'ajv/dist/2020.js';
import { beforeAll, expect, test } from 'vitest';
import { modules } from '#services/modules.ts';
import { OCSF_CLASSES, SIEM_EVENTS } from '#services/wings/outbound/handoff/siem/siem-events.ts';
import { HOSTILE, SOURCE, sealedEvent } from '#services/wings/outbound/handoff/siem/siem-harness.ts';
import { toOcsf } from '#services/wings/outbound/handoff/siem/to-ocsf.ts';
import { environmentOf, findPython, pythonIn, run } from './python-environment.ts';

const Ajv2020 = Ajv2020Module.default ?? Ajv2020Module;

const PROGRAM = `
import json, sys
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version='1.5.0'))
print(json.dumps({uid: schema.get_class_schema(schema.lookup_class_name_from_uid(int(uid))) for uid in sys.argv[1:]}))
`;

type Check = ReturnType<InstanceType<typeof Ajv2020>['compile']>;
let checks: ReadonlyMap<number, Check>;

beforeAll(() => {
  const python = pythonIn(environmentOf(findPython(), [join(import.meta.dirname, 'ocsf-requirements.txt')]));
  const uids = Object.values(OCSF_CLASSES).map(({ uid }) => uid);
  const schemas = JSON.parse(run(python, ['-c', PROGRAM, ...uids.map(String)])) as Record<string, object>;
  const ajv = new Ajv2020({ allErrors: true, strict: false, validateFormats: false });
  checks = new Map(uids.map((uid) => [uid, ajv.compile(schemas[uid] as object)]));
});

const problemsOf = (event: ReturnType<typeof sealedEvent>): readonly string[] => {
  const document = JSON.parse(JSON.stringify(toOcsf(event, SOURCE)));
  const check = checks.get(document.class_uid) as Check;
  if (check(document)) return [];
  return (check.errors ?? []).map(
    ({ instancePath, message, params }) => `${event.type} ${instancePath} ${message} ${JSON.stringify(params)}`,
  );
};

const user = { kind: 'user', id: 'u-1' };
const variants = [
  {},
  { actor: { kind: 'anonymous', id: null }, target: null, client_id: null, trace_id: null, detail: {} },
  { actor: { kind: 'system', id: 'clean-up' }, target: { kind: 'session', id: 's-1' }, detail: { user_id: 'u-2' } },
  { actor: user, target: { kind: 'role', id: null }, detail: { session_id: 's-1', role: 'admin', scope: 'a b' } },
  { actor: { kind: 'client', id: HOSTILE }, target: { kind: 'incident', id: 'i-1' }, detail: { [HOSTILE]: HOSTILE } },
];

test('every type of event is valid OCSF, with each outcome, whoever acted on whatever', () => {
  const events = modules.flatMap((module) => module.events ?? []);
  expect(events.map(({ type }) => type).sort()).toEqual(Object.keys(SIEM_EVENTS).sort());
  const problems = events.flatMap(({ type, outcomes }) =>
    outcomes.flatMap((outcome) =>
      variants.flatMap((variant) => problemsOf(sealedEvent({ ...variant, type, outcome }))),
    ),
  );
  expect([...new Set(problems)]).toEqual([]);
});

test('so is the row that was altered', () =>
  expect(problemsOf(sealedEvent({ type: 'unknown', outcome: 'unknown', altered: true }))).toEqual([]));

test('the schema refuses what is not valid: a class without its members, and an unknown activity', () => {
  const check = checks.get(OCSF_CLASSES.authentication.uid) as Check;
  const { user: _left, ...others } = toOcsf(sealedEvent(), SOURCE) as Record<string, unknown>;
  expect(check(others)).toBe(false);
  expect(check({ ...others, user: { uid: 'u-1' }, activity_id: 77 })).toBe(false);
});
