import { SallyportError } from './session.ts';

/** What the components say. A refusal without a text here is shown in the words of the API, which are English. */
const english = {
  signIn: 'Sign in',
  signUp: 'Sign up',
  signInInstead: 'I have an account: sign in',
  signUpInstead: 'Create an account',
  signOut: 'Sign out',
  name: 'Name',
  email: 'E-mail',
  password: 'Password',
  passwordHint: (minimum: number) => `At least ${minimum} characters`,
  forgot: 'Forgot your password?',
  passkey: 'Sign in with a passkey',
  usePasskey: 'This account has a passkey. Sign in with it.',
  elsewhere: 'Sign in there',
  secondFactor: 'Confirm that it is you',
  code: 'Code of your app, or a recovery code',
  confirm: 'Confirm',
  back: 'Back to sign-in',
  checkMail: 'Follow the link in the mail that was sent to you, then sign in.',
  account: 'Manage account',
  menu: 'Account',
  loading: 'Loading…',
  again: 'Try again',
  problems: {
    no_answer: 'The server did not answer. Try again.',
    passkey_cancelled: 'No passkey was used.',
    second_factor_required: 'This account needs a second factor, which only the sign-in page of Sallyport asks for.',
  } as Readonly<Record<string, string>>,
};

export type Texts = typeof english;

const german: Texts = {
  signIn: 'Anmelden',
  signUp: 'Registrieren',
  signInInstead: 'Ich habe ein Konto: anmelden',
  signUpInstead: 'Konto erstellen',
  signOut: 'Abmelden',
  name: 'Name',
  email: 'E-Mail',
  password: 'Passwort',
  passwordHint: (minimum) => `Mindestens ${minimum} Zeichen`,
  forgot: 'Passwort vergessen?',
  passkey: 'Mit einem Passkey anmelden',
  usePasskey: 'Dieses Konto hat einen Passkey. Melden Sie sich damit an.',
  elsewhere: 'Dort anmelden',
  secondFactor: 'Bestätigen Sie, dass Sie es sind',
  code: 'Code Ihrer App oder ein Wiederherstellungscode',
  confirm: 'Bestätigen',
  back: 'Zurück zur Anmeldung',
  checkMail: 'Folgen Sie dem Link in der Mail, die Sie erhalten haben, und melden Sie sich dann an.',
  account: 'Konto verwalten',
  menu: 'Konto',
  loading: 'Wird geladen …',
  again: 'Erneut versuchen',
  problems: {
    no_answer: 'Der Server hat nicht geantwortet. Versuchen Sie es erneut.',
    passkey_cancelled: 'Es wurde kein Passkey verwendet.',
    second_factor_required:
      'Dieses Konto braucht einen zweiten Faktor, nach dem nur die Anmeldeseite von Sallyport fragt.',
    challenge_over: 'Das hat zu lange gedauert. Melden Sie sich noch einmal an.',
    second_factor_locked: 'Zu viele falsche Codes. Versuchen Sie es später erneut.',
    second_factor_refused: 'Der Code ist falsch oder abgelaufen.',
    passkey_refused: 'Der Passkey wurde nicht angenommen.',
    login_refused: 'E-Mail oder Passwort ist falsch.',
    login_locked: 'Zu viele falsche Passwörter. Versuchen Sie es später erneut.',
    email_unverified: 'Bestätigen Sie zuerst Ihre E-Mail-Adresse: Folgen Sie dem Link in der Mail.',
    email_taken: 'Es gibt schon ein Konto mit dieser E-Mail-Adresse.',
    request_invalid: 'Eine Eingabe ist ungültig.',
    hashing_busy: 'Der Server ist ausgelastet. Versuchen Sie es gleich noch einmal.',
    store_unavailable: 'Der Server ist gestört. Versuchen Sie es später erneut.',
    directory_stale: 'Der Server ist gestört. Versuchen Sie es später erneut.',
    rate_limited: 'Zu viele Anfragen. Versuchen Sie es später erneut.',
    password_too_short: 'Das Passwort ist zu kurz.',
    password_too_long: 'Das Passwort ist zu lang.',
    password_ill_formed: 'Das Passwort enthält ungültige Zeichen.',
    password_has_email: 'Das Passwort enthält die E-Mail-Adresse.',
    password_has_name: 'Das Passwort enthält Ihren Namen.',
    password_has_product: 'Das Passwort enthält den Namen dieses Dienstes.',
    password_common: 'Das Passwort ist zu bekannt. Wählen Sie ein anderes.',
    password_breached: 'Das Passwort steht in einer Liste gestohlener Passwörter. Wählen Sie ein anderes.',
  },
};

/** @param language of the page (BCP 47); English unless it is German */
export const textsIn = (language: string): Texts => (/^de\b/i.test(language) ? german : english);

/** Says in the language of the page why something failed. A lost connection is no answer. */
export function wordsOf(problem: unknown, { problems }: Texts): string {
  const { no_answer: noAnswer = '', passkey_cancelled: cancelled = '' } = problems;
  if (problem instanceof SallyportError) return problems[problem.code] ?? problem.message;
  if (!(problem instanceof Error) || problem.name === 'TypeError') return noAnswer;
  return problem.name === 'NotAllowedError' || problem.name === 'AbortError' ? cancelled : problem.message;
}
