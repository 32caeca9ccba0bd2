import type { CopyName } from '../../ledger.ts';
import type { Usable } from '../../surface-facts.ts';
import {
  anyCopy,
  atBothCopies,
  end,
  keep,
  kept,
  newUsable,
  pickShown,
  REASON,
  type RowStatements,
  type Surface,
  show,
  type Tools,
} from './surface.ts';

export const consentRows: RowStatements = {
  'recording of a consent': 'SELECT subject_id AS key FROM phi_consents WHERE granted',
  'withdrawal of a consent': 'SELECT subject_id AS key FROM phi_consents WHERE NOT granted',
};

const LIVE_MOST = 30;

/** The consent of a person to research, which health data for research is decrypted by. */
type Consent = Usable & { encrypted?: unknown };

export function createConsents(tools: Tools): Surface {
  const { authorization, ask, random } = tools;
  const consents: Consent[] = [];
  const headers = { authorization };
  const live = (): Consent[] => kept(tools, consents).filter(({ revocations }) => revocations.length === 0);

  async function record(): Promise<void> {
    const made = await keep(
      tools,
      { surface: 'consents', kind: 'recording of a consent', events: ['phi.consent_recorded'] },
      (subject_id) => {
        const json = { subject_id, purpose: 'research', granted: true, terms: 'chaos-1' };
        return { path: '/v1/privacy/consents', json, headers };
      },
      ({ status }) => status === 201,
    );
    if (!made) return;
    const consent: Consent = newUsable({ surface: 'consents', kind: 'consent', id: made.key });
    const json = { subject_id: made.key, purpose: 'research', data: { note: made.key } };
    const { body } = await ask(anyCopy(tools), { path: '/v1/privacy/phi/encrypt', json, headers });
    consents.push(Object.assign(consent, body?.encrypted ? { encrypted: body.encrypted } : {}));
  }

  /** Whether there is consent now, and whether health data for research is decrypted by it. */
  const look = async (consent: Consent | undefined, copy: CopyName = anyCopy(tools)): Promise<void> => {
    if (!consent) return;
    const path = `/v1/privacy/subjects/${consent.id}/consents/research`;
    await show(tools, consent, copy, { method: 'GET', path, headers }, ({ status, body }) =>
      status === 200 ? body.granted === true : undefined,
    );
    if (!consent.encrypted) return;
    const json = { purpose: 'research', encrypted: consent.encrypted };
    await show(
      tools,
      consent,
      copy,
      { path: '/v1/privacy/phi/decrypt', json, headers },
      ({ status, body }) => status === 200 || (body?.reason === 'consent_missing' ? false : undefined),
    );
  };

  const withdraw = async (consent: Consent | undefined): Promise<void> => {
    if (!consent || consent.revocations.length > 0) return;
    const json = { subject_id: consent.id, reason: REASON };
    await end(
      tools,
      consent,
      { surface: 'consents', kind: 'withdrawal of a consent', events: ['phi.consent_recorded'], key: consent.id },
      { path: '/v1/privacy/consents/withdraw', json, headers },
      ({ status }) => status === 200,
    );
  };

  return {
    acts: [
      [0.3, () => (live().length < LIVE_MOST ? record() : withdraw(random.pick(live())))],
      [0.15, () => withdraw(random.pick(live()))],
      [1, () => look(pickShown(tools, consents))],
    ],
    prepare: async () => {
      for (let at = 0; at < 4; at += 1) await record();
      await look(consents[0]);
      await withdraw(consents[0]);
    },
    settle: () => atBothCopies(consents.slice(-100), look),
  };
}
