import type { AuditEvent } from '#services/platform/define/audit-event.ts';
import type { AuditMember } from '#services/platform/define/audit-member.ts';
import type { Gate } from './gates.ts';

/** A leaf of the public log, as anyone may read it. */
export type PublicLeaf = { readonly seq: number; readonly text: string };

/** What clients of a run write into the product: their reasons, keys and addresses, and where they come from. */
const WRITTEN_BY_CLIENTS = /fault suite|chaos-\d|@|127\.0\.0\.1/i;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const WORD = /^[\w.:+/=()-]{1,128}$/;

/** What a reader of the declarations expects of a value in clear; shares no code with what seals it. */
function isOf(member: AuditMember, value: unknown): boolean {
  if (value === null) return true;
  switch (member.kind) {
    case 'count':
      return typeof value === 'number';
    case 'flag':
      return typeof value === 'boolean';
    case 'id':
    case 'person':
      return typeof value === 'string' && UUID.test(value);
    case 'one_of':
      return member.values.some((each) => each === value);
    case 'list':
      return Array.isArray(value) && value.every((each) => isOf(member.of, each));
    case 'object':
      return Object.entries(value as object).every(
        ([name, of]) => Object.hasOwn(member.members, name) && isOf(member.members[name] as AuditMember, of),
      );
    case 'text':
    case 'personal':
    case 'name':
    case 'patient':
      return false;
    default:
      // Names, times and digests of ours, which have no spaces but between words of a scope and before a time.
      return typeof value === 'string' && value.split(' ').every((word) => word === '' || WORD.test(word));
  }
}

/** Every leaf shows members that its event declares, each of its type, and nothing that a client wrote. */
export function showsOnlyDeclared(leaves: readonly PublicLeaf[], events: readonly AuditEvent[]): Gate {
  const declared = new Map(events.map((event) => [event.type, event]));
  const findings = leaves.flatMap(({ seq, text }) => {
    const written = WRITTEN_BY_CLIENTS.exec(text)?.[0];
    const { type, detail } = JSON.parse(text) as { readonly type: string; readonly detail: Record<string, unknown> };
    const members = declared.get(type)?.detail;
    const others = Object.entries(detail).filter(
      ([name, value]) => !members || !Object.hasOwn(members, name) || !isOf(members[name] as AuditMember, value),
    );
    if (written === undefined && others.length === 0) return [];
    const shown = others.map(([name, value]) => `${name} ${JSON.stringify(value)}`);
    return [{ text: `leaf ${seq} (${type}) shows ${[...shown, ...(written ? [`"${written}"`] : [])].join(', ')}` }];
  });
  return { name: 'the public log shows only what is declared', checked: leaves.length, findings };
}
