import type { SignOffView } from '#services/domain/signoff/contract.ts';
import { shownArguments } from '#services/domain/signoff/shown-arguments.ts';
import type { Decision, SignOffRole, SignOffState } from '#services/domain/signoff/signoff-shapes.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import type { Page } from './form-page.ts';
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

const listItem = ({ signoff_id: id, title, act }: SignOffView): Html =>
  html`<li><a href="/signoff/${id}"><bdi>${title}</bdi></a> <code>${act}</code></li>`;

/** Acts that wait for approval. */
export const signOffsPage =
  (signOffs: readonly SignOffView[]): Page =>
  ({ language: { texts } }) => ({
    title: texts.signOffsTitle,
    body: signOffs.length === 0 ? html`<p>${texts.signOffsNone}</p>` : html`<ul>${signOffs.map(listItem)}</ul>`,
  });

export type SignOffPage = {
  readonly formToken: string;
  readonly signOff: SignOffView;
  /** Roles in which the person can decide. */
  readonly roles: readonly SignOffRole[];
  /** Whether the sign-in is recent and strong enough. */
  readonly isFresh: boolean;
};

function decisionItem(
  { role, decision, user_id: userId, comment, at }: SignOffView['decisions'][number],
  texts: Texts,
): Html {
  const said = say(texts[DECIDED[decision]], { role: texts[ROLES[role]], person: codeOf(userId), time: timeOf(at) });
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

function formOf({ formToken, signOff, roles, isFresh }: SignOffPage, texts: Texts): Html | null {
  if (signOff.state !== 'pending') return null;
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
  (asked: SignOffPage): Page =>
  ({ language: { texts } }) => {
    const { signOff } = asked;
    const requester = codeOf(`${signOff.requested_by.kind} ${signOff.requested_by.id}`);
    const places = { requester, time: timeOf(signOff.requested_at), expiry: timeOf(signOff.expires_at) };
    const roles = signOff.required_roles.map((role) => texts[ROLES[role]]).join(', ');
    return {
      title: fill(texts.signOffTitle, { title: signOff.title }),
      heading: say(texts.signOffTitle, { title: html`<bdi>${signOff.title}</bdi>` }),
      body: html`<p><strong>${texts[STATES[signOff.state]]}</strong></p>
<p>${say(texts.signOffRequested, places)}</p>
<h2>${texts.signOffAct}</h2><p><code>${signOff.act}</code></p>
<h2 id="arguments">${texts.signOffArguments}</h2><pre role="region" tabindex="0" aria-labelledby="arguments">${shownArguments(signOff.arguments)}</pre>
<p class="dim">SHA-256 <code>${signOff.arguments_sha256}</code></p>
<h2>${texts.signOffRoles}</h2><p>${fill(texts.signOffQuorum, { quorum: String(signOff.quorum), roles })}</p>
${signOff.decisions.length === 0 ? null : html`<ul>${signOff.decisions.map((decided) => decisionItem(decided, texts))}</ul>`}${conditionsOf(signOff, texts)}${formOf(asked, texts)}`,
    };
  };
