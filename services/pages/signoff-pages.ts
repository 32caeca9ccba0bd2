import type { LanguageTag } from '#services/platform/define/languages.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import type { SignOffView } from '#services/wings/signoff/contract.ts';
import type { SignOffNames } from '#services/wings/signoff/read-names.ts';
import { labelledArguments, shownArguments } from '#services/wings/signoff/shown-arguments.ts';
import type { Decision, SignOffRole, SignOffState } from '#services/wings/signoff/signoff-shapes.ts';
import type { FormPage } from './form-page.ts';
import type { Texts } from './texts/english.ts';
import { fill, say } from './texts/texts.ts';

const ROLES: Readonly<Record<SignOffRole, keyof Texts>> = {
  developer: 'roleDeveloper',
  tech_lead: 'roleTechLead',
  qa: 'roleQa',
  security_reviewer: 'roleSecurityReviewer',
  product_owner: 'roleProductOwner',
  architect: 'roleArchitect',
};

const STATES: Readonly<Record<SignOffState, keyof Texts>> = {
  pending: 'signOffPending',
  approved: 'signOffApproved',
  denied: 'signOffDenied',
  expired: 'signOffExpired',
  running: 'signOffRunning',
  interrupted: 'signOffInterrupted',
  done: 'signOffDone',
  failed: 'signOffFailed',
};

const DECIDED: Readonly<Record<Decision, keyof Texts>> = { approve: 'decidedApprove', deny: 'decidedDeny' };

const timeOf = (instant: string): Html =>
  html`<time datetime="${instant}">${instant.slice(0, 16).replace('T', ' ')} UTC</time>`;
const codeOf = (text: string): Html => html`<code>${text}</code>`;

/** The name that a person chose is no evidence: the address stands beside it. An unknown id stands for itself. */
function personOf(id: string, { people }: SignOffNames): Html {
  const person = people.get(id);
  if (person === undefined) return codeOf(id);
  return person.name === ''
    ? html`<bdi>${person.email}</bdi>`
    : html`<strong>${person.name}</strong> (<bdi>${person.email}</bdi>)`;
}

function clientOf(id: string, { clients }: SignOffNames): Html {
  const client = clients.get(id);
  return client === undefined ? codeOf(id) : html`<strong>${client.name}</strong>`;
}

function requesterOf({ requested_by: { kind, id } }: SignOffView, names: SignOffNames): Html {
  switch (kind) {
    case 'user':
      return personOf(id, names);
    case 'client':
      return clientOf(id, names);
    case 'system':
      return codeOf(id);
  }
}

/** The user whose agent asks; null if no agent does. */
const ownerOf = ({ requested_by: { kind, id } }: SignOffView, { clients }: SignOffNames): string | null =>
  kind === 'client' ? (clients.get(id)?.owner_id ?? null) : null;

const listItem = (signOff: SignOffView, names: SignOffNames, texts: Texts): Html => {
  const places = { requester: requesterOf(signOff, names), expiry: timeOf(signOff.expires_at) };
  return html`<li><a href="/signoff/${signOff.signoff_id}"><bdi>${signOff.title}</bdi></a> <code>${signOff.act}</code><br><span class="dim">${say(texts.signOffListed, places)}</span></li>`;
};

/** Acts that wait for approval. */
export const signOffsPage =
  (signOffs: readonly SignOffView[], names: SignOffNames): FormPage =>
  ({ language: { texts } }) => ({
    title: texts.signOffsTitle,
    body:
      signOffs.length === 0
        ? html`<p>${texts.signOffsNone}</p>`
        : html`<ul>${signOffs.map((signOff) => listItem(signOff, names, texts))}</ul>`,
  });

export type SignOffPage = {
  readonly formToken: string;
  readonly signOff: SignOffView;
  readonly names: SignOffNames;
  /** The user who reads the page. */
  readonly userId: string;
  /** Roles in which the person can decide. */
  readonly roles: readonly SignOffRole[];
  /** Whether the sign-in is recent and strong enough. */
  readonly isFresh: boolean;
};

function decisionItem(
  { role, decision, user_id: userId, comment, at }: SignOffView['decisions'][number],
  names: SignOffNames,
  texts: Texts,
): Html {
  const person = personOf(userId, names);
  const said = say(texts[DECIDED[decision]], { role: texts[ROLES[role]], person, time: timeOf(at) });
  return html`<li>${said}${comment === null ? null : html` <q><bdi>${comment}</bdi></q>`}</li>`;
}

function conditionsOf({ conditions }: SignOffView, texts: Texts): Html | null {
  const { min_security_score: least, no_open_incident: noIncident } = conditions;
  const items = [
    ...(least === null ? [] : [fill(texts.conditionScore, { score: String(least) })]),
    ...(noIncident ? [texts.conditionIncident] : []),
  ];
  return items.length === 0
    ? null
    : html`<h2>${texts.conditions}</h2><ul>${items.map((item) => html`<li>${item}</li>`)}</ul>`;
}

/** What the policy of the act names, before all arguments exactly. */
function labelledPart({ arguments: given, argument_labels: labels }: SignOffView, tag: LanguageTag): Html | null {
  const items = labelledArguments(given, labels, tag).map(
    ({ label, text, format }) =>
      html`<dt><bdi>${label}</bdi></dt><dd>${format === 'monospace' ? codeOf(text) : html`<bdi>${text}</bdi>`}</dd>`,
  );
  return items.length === 0 ? null : html`<dl>${items}</dl>`;
}

function requesterPart(signOff: SignOffView, names: SignOffNames, texts: Texts): Html {
  const {
    requested_by: { kind, id },
    client_id: clientId,
  } = signOff;
  const owner = ownerOf(signOff, names);
  const items: [string, Html][] = [
    [texts.signOffRequester, html`${requesterOf(signOff, names)} ${kind === 'client' ? codeOf(id) : null}`],
    ...(owner === null ? [] : [[texts.signOffOwner, personOf(owner, names)] as [string, Html]]),
    ...(kind !== 'user' || clientId === null
      ? []
      : [[texts.signOffThrough, clientOf(clientId, names)] as [string, Html]]),
  ];
  return html`<dl>${items.map(([label, value]) => html`<dt>${label}</dt><dd>${value}</dd>`)}</dl>`;
}

/** What the reader has decided, in any state of the sign-off. */
function ownDecision({ signOff, userId }: SignOffPage, texts: Texts): Html | null {
  const own = signOff.decisions.find(({ user_id: id }) => id === userId);
  if (own === undefined) return null;
  const text = own.decision === 'approve' ? texts.signOffYouApproved : texts.signOffYouDenied;
  return html`<p role="status"><strong>${fill(text, { role: texts[ROLES[own.role]] })}</strong></p>`;
}

function formOf(asked: SignOffPage, texts: Texts): Html | null {
  const { formToken, signOff, names, userId, roles, isFresh } = asked;
  const own = ownDecision(asked, texts);
  if (own !== null || signOff.state !== 'pending') return own;
  if (signOff.requested_by.id === userId || ownerOf(signOff, names) === userId)
    return html`<p class="dim">${texts.signOffOwn}</p>`;
  if (roles.length === 0) return html`<p class="dim">${texts.signOffNoRole}</p>`;
  if (!isFresh)
    return html`<p class="bad" role="alert">${texts.signOffStepUp} <a href="/login">${texts.signIn}</a></p>`;
  const options = roles.map(
    (role, at) =>
      html`<label class="check"><input type="radio" name="role" value="${role}" required${at === 0 && roles.length === 1 ? html` checked` : null}><span>${texts[ROLES[role]]}</span></label>`,
  );
  return html`<form method="post" action="/signoff/${signOff.signoff_id}"><input type="hidden" name="form_token" value="${formToken}"><input type="hidden" name="arguments_sha256" value="${signOff.arguments_sha256}">
<fieldset><legend>${texts.signOffAs}</legend>${options}</fieldset>
<label for="comment">${texts.signOffComment}</label><input id="comment" name="comment" maxlength="1000" autocomplete="off">
<button type="submit" name="decision" value="approve">${texts.approve}</button><button class="plain" type="submit" name="decision" value="deny">${texts.deny}</button></form>`;
}

/** One act: exactly what would run, who has decided, and the form of a person who may decide. */
export const signOffPage =
  (asked: SignOffPage): FormPage =>
  ({ language: { tag, texts } }) => {
    const { signOff } = asked;
    const { names } = asked;
    const places = { time: timeOf(signOff.requested_at), expiry: timeOf(signOff.expires_at) };
    const roles = signOff.required_roles.map((role) => texts[ROLES[role]]).join(', ');
    return {
      title: fill(texts.signOffTitle, { title: signOff.title }),
      heading: say(texts.signOffTitle, { title: html`<bdi>${signOff.title}</bdi>` }),
      body: html`<p><strong>${texts[STATES[signOff.state]]}</strong></p>
${requesterPart(signOff, names, texts)}<p>${say(texts.signOffRequested, places)}</p>
<h2>${texts.signOffAct}</h2><p><code>${signOff.act}</code></p>
<h2 id="arguments">${texts.signOffArguments}</h2>${labelledPart(signOff, tag)}<pre role="region" tabindex="0" aria-labelledby="arguments">${shownArguments(signOff.arguments)}</pre>
<p class="dim">SHA-256 <code>${signOff.arguments_sha256}</code></p>
<h2>${texts.signOffRoles}</h2><p>${fill(texts.signOffQuorum, { quorum: String(signOff.quorum), roles })}</p>
${signOff.decisions.length === 0 ? null : html`<ul>${signOff.decisions.map((decided) => decisionItem(decided, names, texts))}</ul>`}${conditionsOf(signOff, texts)}${formOf(asked, texts)}`,
    };
  };
