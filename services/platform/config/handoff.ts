import { z } from 'zod';
import { cutText } from '#services/platform/define/cut-text.ts';
import { defineSettings, type SettingsOf } from '../define/setting.ts';
import { type ConfigProblem, problemsOf } from './config-error.ts';
import { flag, namedPlaces, orIssue, UnfitError, wordsIn } from './shapes.ts';

const ENDPOINTS_MAX = 8;
const ENDPOINT = /^([a-z][a-z0-9-]{0,31})=(https?:\/\/[\x21-\x7e]{1,2048})$/;
const TYPE = /^[a-z_]+(\.[a-z_]+)+$/;

function endpointOf(item: string): { readonly name: string; readonly url: string } | undefined {
  const [, name, url] = ENDPOINT.exec(item) ?? [];
  if (name === undefined || url === undefined || !URL.canParse(url)) return undefined;
  const { username, password, hash, href } = new URL(url);
  return username === '' && password === '' && hash === '' ? { name, url: href } : undefined;
}

const endpoints = namedPlaces(ENDPOINTS_MAX, 'endpoints as name=https://host/path', endpointOf);

function typesIn(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined;
  const items = wordsIn(text);
  // An event that reports a failed hand-off must not be handed off: it would cause the next one.
  const bad = items.find((item) => !TYPE.test(item) || item.startsWith('handoff.'));
  if (bad === undefined) return items;
  throw new UnfitError(`"${cutText(bad, 64)}" is not an event type that can be pushed`);
}

/** Endpoints to which workers push security events. */
export const handoffSettings = defineSettings({
  endpoints: {
    env: 'HANDOFF_ENDPOINTS',
    schema: endpoints,
    use: `Endpoints to which workers push security events, as name=https://host/path, comma separated, at most ${ENDPOINTS_MAX}. The name identifies the endpoint: under another name it starts with new events.`,
  },
  types: {
    env: 'HANDOFF_TYPES',
    schema: z.string().max(4_096).optional().transform(orIssue(typesIn)),
    use: 'Types of the events that are pushed, comma separated (docs/reference/audit-events.md).',
  },
  allowsPrivate: {
    env: 'HANDOFF_PRIVATE',
    schema: flag(false),
    use: 'Push events to addresses on private networks and over plain http too.',
  },
});

export type HandoffSettings = SettingsOf<typeof handoffSettings>;

/** Refuses a start with an endpoint that the outbound guard would refuse at every attempt. */
export const handoffProblems = ({ endpoints, allowsPrivate }: HandoffSettings): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (!allowsPrivate && endpoints.some(({ url }) => !url.startsWith('https:')))
      refuse('HANDOFF_ENDPOINTS', 'has an endpoint without https', 'use https, or set HANDOFF_PRIVATE');
  });
