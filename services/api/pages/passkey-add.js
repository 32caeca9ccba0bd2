// The script of the account page: it adds a passkey to the account. The page works without it.
const box = document.getElementById('add-passkey');
const said = document.getElementById('add-passkey-said');
const codes = document.getElementById('add-passkey-codes');
const button = box?.querySelector('button');

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

/** Registers a passkey; the first factor of an account comes with recovery codes, which are shown once. */
async function add() {
  const { options, challenge } = await post('options', {});
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = await navigator.credentials.create({ publicKey });
  const name = box.querySelector('input').value.trim() || box.dataset.name;
  const made = await post('verify', { challenge, name, response: credential.toJSON() });
  if (made.recovery_codes === null) location.assign('/account');
  else {
    codes.querySelector('pre').textContent = made.recovery_codes.join('\n');
    codes.hidden = false;
    box.hidden = true;
    codes.focus();
  }
}

if (button && typeof globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON === 'function') {
  box.hidden = false;
  button.addEventListener('click', async () => {
    button.disabled = true;
    said.textContent = '';
    try {
      await add();
    } catch (err) {
      said.textContent = said.dataset[err.name === 'again' ? 'again' : 'failed'];
      button.disabled = false;
      button.focus();
    }
  });
}
