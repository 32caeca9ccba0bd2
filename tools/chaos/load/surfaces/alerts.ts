import { eventually } from '#tools/testing/eventually.ts';
import type { Receiver } from '../receiver.ts';
import { anyCopy, keep, REASON, type RowStatements, type Surface, type Tools } from './surface.ts';

export const alertRows: RowStatements = {
  'report of an alert': `SELECT convert_from(decode(cause, 'hex'), 'UTF8') AS key FROM alerts WHERE source = 'alertmanager'`,
  'silence of alerts': `SELECT matchers ->> 'chaos' AS key FROM alert_silences`,
};

/** The target that the receiver is. */
export const ALERT_TARGET = 'chaos';
const TARGETS = '/v1/admin/alert-targets';
const NAMES = ['DiskFull', 'CertificateExpires'] as const;
const LASTING_MOST = 12;
/** Each address that is left is told of all that weakens the oversight, for a day. */
const LEFT_MOST = 8;
/** Some silences end before their alert is sent. */
const SILENT_MS = [1_000, 30_000] as const;

/**
 * A monitoring system reports alerts and their ends, beside the incidents of attackers, and a target is told of both. A
 * person silences alerts that there are not, which the target is told of too, and makes targets that are removed, or moved
 * elsewhere, before anything was sent there.
 */
export function createAlerts(tools: Tools, receiver: Pick<Receiver, 'alerts' | 'alertsOf'>): Surface {
  const { authorization, ask, attempt, random, ledger } = tools;
  const headers = { authorization };
  /** By key: what it reported. */
  const lasting = new Map<string, object>();
  const path = '/v1/alerts/alertmanager';

  async function report(): Promise<void> {
    const name = random.pick(NAMES);
    let alert = {};
    const made = await keep(
      tools,
      { surface: 'alerts', kind: 'report of an alert', events: ['alert.reported'] },
      (key) => {
        const fingerprint = Buffer.from(key).toString('hex');
        alert = { labels: { alertname: name, severity: 'critical' }, annotations: {}, fingerprint };
        return { path, json: { version: '4', alerts: [{ ...alert, status: 'firing' }] }, headers };
      },
      ({ status }) => status === 200,
    );
    if (made) lasting.set(made.key, alert);
  }

  async function resolve(): Promise<void> {
    const [key, alert] = random.pick([...lasting]) ?? [];
    if (key === undefined) return;
    lasting.delete(key);
    await ask(anyCopy(tools), { path, json: { version: '4', alerts: [{ ...alert, status: 'resolved' }] }, headers });
  }

  const silence = (): Promise<unknown> =>
    keep(
      tools,
      { surface: 'alerts', kind: 'silence of alerts', events: ['alert.silenced'] },
      (key) => {
        const until = new Date(Date.now() + random.between(...SILENT_MS)).toISOString();
        const json = { matchers: [`chaos=${key}`], until, reason: REASON };
        return { path: '/v1/admin/silences', json, headers };
      },
      ({ status }) => status === 201,
    );

  const targetOf = (name: string, url: string) => ({ kind: 'webhook', name, url, min_severity: 'low', reason: REASON });
  let left = 0;

  async function leaveAddress(): Promise<void> {
    if (left >= LEFT_MOST) return;
    left += 1;
    const [address, isMoved] = [`left-${left}`, left % 2 === 0];
    const made = await ask(anyCopy(tools), {
      path: TARGETS,
      json: targetOf(address, receiver.alertsOf(address)),
      headers,
    });
    if (made.status !== 201) return;
    const one = `${TARGETS}/${made.body.target_id}`;
    const { act } = await attempt(
      { kind: 'end of an address of alerts', events: ['alert.target_changed'], isRepeatable: true, subject: null },
      () =>
        isMoved
          ? { method: 'PATCH', path: one, json: { url: receiver.alertsOf('elsewhere'), reason: REASON }, headers }
          : { path: `${one}/remove`, json: { reason: REASON }, headers },
      ({ status }) => status === 200,
    );
    if (act.ackedAtMs !== undefined) ledger.leftAddresses.push({ address, ackedAtMs: act.ackedAtMs });
  }

  return {
    acts: [
      [0.5, () => (lasting.size < LASTING_MOST ? report() : resolve())],
      [0.2, silence],
      [0.1, leaveAddress],
    ],
    prepare: async () => {
      const json = targetOf(ALERT_TARGET, receiver.alerts);
      await eventually('a target of alerts before the first fault', async () =>
        [201, 409].includes((await ask('A', { path: TARGETS, json, headers })).status),
      );
      for (let at = 0; at < 3; at += 1) await report();
      await resolve();
      // What weakens the oversight is told from the first run of the job on.
      await eventually('the first alert', () => ledger.told.length > 0);
      await silence();
      await leaveAddress();
    },
    settle: async () => {},
  };
}
