// The script of the sign-in page. The page also works without it, and in browsers without passkeys.
const form = document.querySelector('form[action^="/login"]');
const box = document.getElementById('passkey');
const said = document.getElementById('passkey-problem');
const button = box?.querySelector('button');

/** Which text of the page explains an error of the browser. */
const PROBLEMS = { NotAllowedError: 'none', SecurityError: 'place' };

/** Asks for a passkey and submits it as an ordinary form; the response is a page or a redirect. */
async function signIn() {
  const asked = await fetch('/api/auth/passkey/sign-in/options', { method: 'POST' });
  if (!asked.ok) throw new Error(String(asked.status));
  const { options, challenge } = await asked.json();
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey });
  const fields = {
    form_token: form.elements.form_token.value,
    next: form.elements.next.value,
    challenge,
    response: JSON.stringify(credential.toJSON()),
  };
  const sent = document.createElement('form');
  sent.method = 'post';
  sent.action = '/login/passkey';
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement('input');
    Object.assign(input, { type: 'hidden', name, value });
    sent.append(input);
  }
  document.body.append(sent);
  sent.submit();
}

// A passkey that the server has not: the browser offers it no more (WebAuthn Level 3 §5.1.10).
if (box?.dataset.unknown)
  globalThis.PublicKeyCredential?.signalUnknownCredential?.({
    rpId: location.hostname,
    credentialId: box.dataset.unknown,
  }).catch(() => {});

if (form && button && typeof globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON === 'function') {
  box.hidden = false;
  button.addEventListener('click', async () => {
    button.disabled = true;
    said.textContent = '';
    try {
      await signIn();
    } catch (err) {
      said.textContent = said.dataset[PROBLEMS[err.name] ?? 'failed'];
      button.disabled = false;
      button.focus();
    }
  });
}
