import type { OwnedClient } from '#services/core/module.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import { strong } from '../fields.ts';
import type { Look } from '../form-page.ts';
import type { Texts } from '../texts/english.ts';
import { fill, say } from '../texts/texts.ts';
import type { AccountPage, SessionItem, ViewOf } from './account-view.ts';
import { browserNameOf } from './browser-name.ts';
import { foldedForm, formOf, moreOf, partOf, rowsOf, submit, timeText } from './parts.ts';

/** A browser in words; what it said of itself is in the title. */
function browserOf(userAgent: string | null, texts: Texts): Html {
  if (!userAgent) return html`<strong>${texts.accountUnknownBrowser}</strong>`;
  const { browser, system } = browserNameOf(userAgent);
  const name = browser ?? texts.accountUnknownBrowser;
  return html`<strong title="${userAgent}">${system === null ? name : fill(texts.accountBrowserOn, { browser: name, system })}</strong>`;
}

/** The short form of an address (RFC 5952). IPv6 addresses are stored as /64 prefixes, where `::1` is `::`. */
function shortAddress(stored: string): string {
  const short = URL.parse(`http://[${stored}]`)?.hostname.slice(1, -1) ?? stored;
  return short === '::' ? 'localhost' : short;
}

export function sessionsSection(asked: AccountPage<ViewOf<'sessions'>>, look: Look): Html {
  const { texts } = look.language;
  const { items, isLonger } = asked.view;
  const shownOf = ({ current, created_at: at, ip_address: address, user_agent: agent }: SessionItem): Html =>
    html`${browserOf(agent, texts)}${current ? html` <span class="badge good">${texts.accountThisBrowser}</span>` : null}<br><span class="dim">${say(texts.accountSignedInAt, { time: timeText(at, look) })}${address === null ? null : html` · <bdi>${shortAddress(address)}</bdi>`}</span>`;
  const ownFirst = [...items].sort((a, b) => Number(b.current) - Number(a.current));
  const list = rowsOf(ownFirst, texts.none, (session) => [
    shownOf(session),
    session.current ? null : formOf(asked, 'end_session', submit(texts.signOut, 'small'), { session_id: session.id }),
  ]);
  const others = items.some(({ current }) => !current)
    ? formOf(asked, 'end_other_sessions', submit(texts.accountEndOthers))
    : null;
  return partOf(asked, 'sessions', texts.accountSessions, html`${list}${moreOf(isLonger, texts)}${others}`, look);
}

/** What was refused to a program of the user, or will be, and what helps. The causes are those that administrators read. */
function refusalOf({ requests, title, cause, fix, ...of }: OwnedClient['refusals'][number], look: Look): Html {
  const { accountRefused, accountRefusedFrom } = look.language.texts;
  const [text, at] =
    of.refused_from === null ? [accountRefused, of.last_seen_at] : [accountRefusedFrom, of.refused_from];
  const when = say(text, { count: String(requests), time: timeText(at, look) });
  return html`<p><span lang="en">${title}: <bdi>${cause}</bdi><br>${fix}</span><br><span class="dim">${when}</span></p>`;
}

/** What an agent of the user has started today, of what it may: `payments.send 3/5, 900/2000 EUR`. */
function limitsOf(limits: OwnedClient['limits'], { texts }: Look['language']): Html | null {
  if (limits.length === 0) return null;
  const shown = limits.map(({ act, currency, most, used }, at) => {
    const name = act === limits[at - 1]?.act ? null : html`<bdi>${act}</bdi> `;
    return html`${at === 0 ? '' : ', '}${name}${used}/${most}${currency === null ? '' : ` ${currency}`}`;
  });
  return html`<br><span class="dim">${say(texts.accountLimits, { limits: html`${shown}` })}</span>`;
}

/** The agents of the user; nothing without any. */
function ownedPart(asked: AccountPage<ViewOf<'applications'>>, look: Look): Html | null {
  const { accountOwned, accountNotRefused } = look.language.texts;
  if (asked.view.owned.length === 0) return null;
  const list = rowsOf(asked.view.owned, '', ({ name, refusals, limits }) => [
    html`${strong(name)}${limitsOf(limits, look.language)}${refusals.length === 0 ? html`<br><span class="dim">${accountNotRefused}</span>` : refusals.map((each) => refusalOf(each, look))}`,
    null,
  ]);
  return partOf(asked, 'owned', accountOwned, list, look);
}

/** The applications that have access, and to withdraw it; and the user's own agents, with what was refused to them. */
export function applicationsSection(asked: AccountPage<ViewOf<'applications'>>, look: Look): Html {
  const { texts } = look.language;
  const { items, isLonger } = asked.view;
  const list = rowsOf(
    items,
    texts.accountNoConsents,
    ({ client_id: id, client_name: name, scopes, granted_at: at, details }) => [
      html`${strong(name)}<br><span class="dim">${say(texts.accountAllowedAt, { time: timeText(at, look) })}</span><br><code>${scopes.join(' ')}</code>${details.map(({ words }) => html`<br><bdi>${words[look.language.tag]}</bdi>`)}`,
      html`<button class="plain small danger" type="submit" name="client_id" value="${id}">${texts.accountWithdraw}</button>`,
    ],
  );
  const uses = items.reduce((sum, { copy_uses: some }) => sum + some, 0);
  const about = uses > 0 ? html`<p class="dim">${fill(texts.accountCopies, { count: String(uses) })}</p>` : null;
  // One form for all of them: the button says which.
  const shown = html`${formOf(asked, 'withdraw', list)}${moreOf(isLonger, texts)}${about}`;
  const allowed = partOf(asked, 'applications', texts.accountConsents, shown, look);
  return html`${allowed}${ownedPart(asked, look)}`;
}

function newKeyForm(asked: AccountPage<ViewOf<'keys'>>, texts: Texts): Html {
  const rights = asked.view.carriable.map(
    (permission) =>
      html`<label class="check"><input type="checkbox" name="permissions" value="${permission}"><span><code>${permission}</code></span></label>`,
  );
  const choice =
    rights.length === 0 ? null : html`<fieldset><legend>${texts.accountKeyRights}</legend>${rights}</fieldset>`;
  const form = formOf(
    asked,
    'create_key',
    html`<label for="key-name">${texts.accountName}</label><input id="key-name" name="name" required maxlength="100" dir="auto"><label for="key-days">${texts.accountKeyDays}</label><input id="key-days" name="days" type="number" min="1" max="366" value="90" required>${choice}${submit(texts.accountKeyCreate, 'plain')}`,
  );
  return foldedForm(asked, { act: 'create_key', title: texts.accountKeyCreate }, form);
}

/** The live API keys of the user, to revoke them, and to create one. */
export function keysSection(asked: AccountPage<ViewOf<'keys'>>, look: Look): Html {
  const { texts } = look.language;
  const { items, isLonger } = asked.view;
  const live = items.filter(({ state }) => state === 'live');
  const list = rowsOf(live, texts.accountNoKeys, ({ api_key_id: id, name, created_at: at, expires_at: until }) => [
    html`${strong(name)}<br><span class="dim">${say(texts.accountKeyTimes, { time: timeText(at, look), expiry: timeText(until, look) })}</span>`,
    formOf(asked, 'revoke_key', submit(texts.accountRevoke, 'danger'), { api_key_id: id }),
  ]);
  const body = html`${list}${moreOf(isLonger, texts)}${newKeyForm(asked, texts)}`;
  return partOf(asked, 'keys', texts.accountKeys, body, look);
}
