/** Texts of the pages. `{name}` is a place that the page fills; every language has the same places. */
export const english = {
  acceptInvitation: 'Accept the invitation',
  accept: 'Accept',
  accountReady: 'Your account is ready. You can sign in now.',
  addressConfirmed: 'Your address is confirmed. You can sign in now.',
  addressIs: 'Its address is {address}.',
  adviceTryAgain: 'Go back to the application and try again.',
  allow: 'Allow',
  allowTitle: 'Allow {client} to act for you?',
  anotherAccount: 'Use another account',
  appAsksSignOut: '{client} asks you to sign out.',
  askForCode: 'If you have no code, enter your e-mail address',
  asksAccess: '{client} asks for access to the account {email}. Afterwards you return to {host}.',
  beginAgain: 'Go back to the application and begin again.',
  changePassword: 'Change password',
  chooseNewPassword: 'Choose a new password',
  codeFromMail: 'Code from the mail',
  codeUnknown:
    'This code is unknown or has expired. Compare it with the code on your device, or make the device show a new one.',
  confirm: 'Confirm',
  confirmAddress: 'Confirm your e-mail address',
  connectDevice: 'Connect a device',
  connectTitle: 'Connect {client}?',
  continue: 'Continue',
  continueOnlyIf: 'Continue only if you have just come from it and you trust it.',
  continueTo: 'Continue to {place}',
  continueToSignIn: 'If nothing happens, {link}.',
  continueToSignInLink: 'continue to the sign-in page',
  continueWith: 'Continue with {provider}',
  deny: 'Deny',
  deviceAsks:
    'A device asks for access to the account {email}. Continue only if the device is in front of you and shows {code}.',
  deviceCodeLabel: 'The code that your device shows',
  deviceConnected: 'Device connected',
  deviceContinues: 'Your device continues by itself in a few seconds. You can close this window.',
  deviceRefused: 'Device refused',
  deviceWithoutAccess: 'The device did not get access. You can close this window.',
  email: 'E-mail',
  formExpired: 'This form has expired',
  formExpiredWhy: 'It was opened in another browser, or someone signed in or out since.',
  itWants: 'It wants to:',
  linkUnderWay: 'If an account has this address and is locked, a mail with a link is on its way.',
  needsScript:
    'This page needs JavaScript. Allow it for this page, or send the code from the mail as JSON to {endpoint}.',
  newPassword: 'New password',
  notYourAccount: 'Is this not your account?',
  notChecked: 'No administrator has checked this application.',
  notCheckedOwnName: 'No administrator has checked this application, and it chose its own name.',
  notCheckedSender: 'No administrator has checked the application that sent you here.',
  password: 'Password',
  passwordChanged: 'Your password is changed, and you are signed out on all devices.',
  passwordToSignIn: 'Password to sign in with',
  privacy: 'Privacy',
  requestRefused: 'This request cannot be processed',
  requestTooLong: 'The request is too long.',
  requestUnanswerable: 'This request cannot be answered',
  requestUnanswerableWhy: 'The application that sent you here sent a request that cannot be answered: {why}.',
  scopeEmail: 'see your e-mail address',
  scopeOfflineAccess: 'stay connected while you are away',
  scopeOpenid: 'know who you are',
  scopeOther: 'use {scope} for you',
  scopeProfile: 'see your name and picture',
  secondFactorLabel: 'The code in your authenticator app, or a recovery code',
  secondFactorTitle: 'Enter your second factor',
  sendLink: 'Send me a mail with a link',
  serverUnreachable: 'The server could not be reached. Try again.',
  signedIn: 'Signed in',
  signedInAs: 'You are signed in as {email}.',
  signedOut: 'Signed out',
  signedOutNow: 'You are signed out. You can close this window.',
  signIn: 'Sign in',
  signInWithPasskey: 'Sign in with a passkey',
  signOut: 'Sign out',
  signOutAdvice: 'To sign out, open /login here.',
  signOutEffect: 'Every application that you signed in to from this browser loses its access.',
  signOutTitle: 'Sign out?',
  staySignedIn: 'To stay signed in, close this window.',
  terms: 'Terms',
  unlock: 'Unlock',
  unlockAccount: 'Unlock your account',
  unlocked: 'Your account is unlocked. You can sign in again.',
  windowMayClose: 'You can close this window.',
} as const;

export type Texts = Readonly<Record<keyof typeof english, string>>;

/** What users read about an error instead of its title and fix, which are for developers. */
export type ProblemTexts = Readonly<Record<string, { readonly title?: string; readonly advice?: string }>>;

/** An error without an entry has the title of its definition. Advice never reveals whether an account exists. */
export const englishProblems: ProblemTexts = {
  login_refused: { advice: 'Check the e-mail address and the password, and try again.' },
  login_locked: {
    advice:
      'You can use a passkey, sign in on a device where you have signed in before, ask for an unlock mail at /account/unlock, or reset your password.',
  },
  second_factor_refused: {
    title: 'This code is wrong, or was used before',
    advice: 'Wait until your app shows the next code and enter it, or use a recovery code.',
  },
  second_factor_locked: { advice: 'You can use a recovery code or a passkey.' },
  challenge_over: { title: 'This sign-in took too long or had too many wrong codes', advice: 'Sign in again.' },
  passkey_refused: {
    title: 'This service does not accept this passkey',
    advice: 'Try another passkey, or sign in with your password.',
  },
  request_invalid: { title: 'The server could not read this request' },
  social_sign_in_refused: { advice: 'Start again in this browser.' },
  social_provider_unavailable: { advice: 'You can also sign in another way.' },
  social_email_unproven: { advice: 'Verify your address with that provider, or sign in another way.' },
  social_account_taken: { advice: 'Sign in to that other account, or unlink the provider there first.' },
};

/** Advice of errors that have none of their own. */
export const englishAdvice = { goBack: 'Go back and try again.', tryAgain: 'Try again {time}.' } as const;

export type Advice = Readonly<Record<keyof typeof englishAdvice, string>>;
