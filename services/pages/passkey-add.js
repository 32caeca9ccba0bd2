// The script of the account page: it adds a passkey to the account. The page works without it.
const box = document.getElementById('add-passkey');
const said = document.getElementById('add-passkey-said');
const codes = document.getElementById('add-passkey-codes');
const button = box?.querySelector('button');

/** Which text of the page explains an error. */
const PROBLEMS = { again: 'again', SecurityError: 'place' };

async function post(path, body) {
  const answer = await fetch(`/api/auth/passkey/register/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (answer.ok) return answer.json();
  const { code } = await answer.json();
  throw Object.assign(new Error(code), { name: code === 'step_up_required' ? 'again' : 'failed' });
}

/** Shows recovery codes alone: the forms of the page are of the session before, which has ended. */
function showCodes(recoveryCodes) {
  const text = recoveryCodes.join('\n');
  codes.querySelector('pre').textContent = text;
  codes.querySelector('a[download]').href = `data:text/plain;charset=utf-8,${encodeURIComponent(`${text}\n`)}`;
  for (const part of document.querySelectorAll('section, .who form')) part.hidden = !part.contains(codes);
  document.getElementById('passkey-list').hidden = true;
  box.hidden = true;
  codes.hidden = false;
  codes.focus();
}

/** Registers a passkey; the first factor of an account comes with recovery codes, which are shown once. */
async function add() {
  const { options, challenge } = await post('options', {});
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = await navigator.credentials.create({ publicKey });
  const name = box.querySelector('input').value.trim() || box.dataset.name;
  const made = await post('verify', { challenge, name, response: credential.toJSON() });
  if (made.recovery_codes !== null) return showCodes(made.recovery_codes);
  // Another address than the next one, or a second passkey in a row would only move within the page.
  history.replaceState(null, '', '/account/security');
  location.assign('/account/security?done=add_passkey#said');
}

const list = document.getElementById('passkey-list');
// The passkeys that sign in: the browser offers a removed one no more (WebAuthn Level 3 §5.1.10).
globalThis.PublicKeyCredential?.signalAllAcceptedCredentials?.({
  rpId: location.hostname,
  userId: list.dataset.user,
  allAcceptedCredentialIds: list.dataset.accepted.split(' ').filter(Boolean),
}).catch(() => {});

if (button && /^[\d.]+$|:/.test(location.hostname)) {
  // Browsers have no passkeys for network addresses (WebAuthn §5.1.3, effective domain).
  said.textContent = said.dataset.place;
} else if (button && typeof globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON === 'function') {
  box.hidden = false;
  button.addEventListener('click', async () => {
    button.disabled = true;
    said.textContent = '';
    try {
      await add();
    } catch (err) {
      said.textContent = said.dataset[PROBLEMS[err.name] ?? 'failed'];
      button.disabled = false;
      button.focus();
    }
  });
}
