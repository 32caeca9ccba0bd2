import type { LanguageTag } from '#services/platform/define/languages.ts';

/** What happened, and what the reader can do, where that is more than to wait or to try again. */
type Words = readonly [title: string, advice?: string];
/** Every error is worded in every language, or the table does not compile. */
type InEachLanguage = Readonly<Record<LanguageTag, Words>>;

const words = (en: Words, de: Words): InEachLanguage => ({ en, de });

/** The service cannot answer for reasons that mean nothing to the reader. */
const UNAVAILABLE = words(['The service does not answer at the moment'], ['Der Dienst antwortet gerade nicht']);
const UNREADABLE = words(['The server could not read this request'], ['Der Server konnte diese Anfrage nicht lesen']);
const TOO_LARGE = words(['This request is too large'], ['Diese Anfrage ist zu groß']);
const NOT_FOR_PROGRAMS = words(
  ['This needs the sign-in of a person', 'Sign in yourself and do it again.'],
  ['Das braucht die Anmeldung eines Menschen', 'Melden Sie sich selbst an, und tun Sie es noch einmal.'],
);
const SIGN_IN_AGAIN = words(
  ['You are not signed in', 'Sign in again.'],
  ['Sie sind nicht angemeldet', 'Melden Sie sich wieder an.'],
);
const NOT_CARRIED_OVER = words(
  ['Your former sign-in has expired or ended', 'Sign in here.'],
  ['Ihre frühere Anmeldung ist abgelaufen oder wurde beendet', 'Melden Sie sich hier an.'],
);
const LOG_DOUBTFUL = words(
  ['The audit log does not agree with its proofs', 'Run npx sallyport audit verify, which names the place.'],
  [
    'Das Audit-Protokoll stimmt nicht mit seinen Beweisen überein',
    'Führen Sie npx sallyport audit verify aus; es nennt die Stelle.',
  ],
);
/** @param en what is missing, and the same in German, as the beginning of a sentence */
const gone = (en: string, de: string): InEachLanguage =>
  words(
    [`${en} was not found`, 'It may have been removed meanwhile.'],
    [`${de} gibt es nicht`, 'Vielleicht wurde das inzwischen entfernt.'],
  );

/**
 * What people read about an error on a page or in the console, instead of the title and fix of its definition, which are
 * for developers. Advice never reveals whether an account exists. A test derives from the endpoints which codes are shown.
 */
export const problemWords = {
  agent_exceeds_owner: words(
    ['The owner lacks a permission of the agent', 'Register the agent without it, or for another owner.'],
    [
      'Dem Inhaber fehlt eine Berechtigung des Agenten',
      'Registrieren Sie den Agenten ohne sie, oder für einen anderen Inhaber.',
    ],
  ),
  application_role_held: words(
    ['People still have a role that the declaration drops', 'Take the role from these people first.'],
    ['Jemand hat noch eine Rolle, die die Erklärung weglässt', 'Nehmen Sie diesen Personen zuerst die Rolle.'],
  ),
  client_exists: words(
    ['This client id is taken', 'Choose another one, or leave it empty.'],
    ['Diese Client-ID ist vergeben', 'Wählen Sie eine andere, oder lassen Sie sie leer.'],
  ),
  client_keys_invalid: words(
    ['The keys of this client are not accepted', 'Correct what is named.'],
    ['Die Schlüssel dieses Clients werden nicht angenommen', 'Verbessern Sie, was genannt ist.'],
  ),
  client_logo_refused: words(
    ['This logo is not accepted', 'Choose a smaller PNG.'],
    ['Dieses Logo wird nicht angenommen', 'Wählen Sie ein kleineres PNG.'],
  ),
  client_settings_conflict: words(
    ['Two of these settings contradict each other', 'Change the one that is named, or both at once.'],
    ['Zwei dieser Einstellungen widersprechen sich', 'Ändern Sie die genannte, oder beide auf einmal.'],
  ),
  declaration_invalid: words(
    ['This declaration is not accepted', 'Correct what is named; nothing was changed.'],
    ['Diese Erklärung wird nicht angenommen', 'Verbessern Sie, was genannt ist; nichts wurde geändert.'],
  ),
  import_file_unreadable: words(
    ['This file cannot be read', 'Correct it and import it again; nothing was imported.'],
    ['Diese Datei ist nicht lesbar', 'Verbessern Sie sie, und importieren Sie sie erneut; nichts wurde importiert.'],
  ),
  import_kind_unknown: words(
    ['Files of this kind cannot be imported', 'Choose one of the kinds that are named.'],
    ['Dateien dieser Art lassen sich nicht importieren', 'Wählen Sie eine der genannten Arten.'],
  ),
  import_overtaken: words(['This file is being imported already'], ['Diese Datei wird schon importiert']),
  import_role_unknown: words(
    ['A role that the file is mapped to does not exist', 'Create the role first.'],
    ['Eine Rolle, auf die die Datei abgebildet wird, gibt es nicht', 'Legen Sie die Rolle zuerst an.'],
  ),
  imports_busy: words(
    ['Too many imports wait', 'Wait until one has ended.'],
    ['Zu viele Importe warten', 'Warten Sie, bis einer beendet ist.'],
  ),
  invitation_over: words(
    ['This person needs no invitation any more', 'Look at the account first.'],
    ['Diese Person braucht keine Einladung mehr', 'Sehen Sie sich zuerst das Konto an.'],
  ),
  password_hash_unknown: words(
    ['This password hash is of no known format', 'Leave it empty: the person chooses a password.'],
    ['Dieser Passwort-Hash hat kein bekanntes Format', 'Lassen Sie ihn leer: die Person wählt ein Passwort.'],
  ),
  permission_unknown: words(
    ['There is no such permission', 'Choose one that a role or an application has.'],
    ['Diese Berechtigung gibt es nicht', 'Wählen Sie eine, die eine Rolle oder eine Anwendung hat.'],
  ),
  redirect_uri_refused: words(
    ['This redirect URI is not accepted', 'Correct what is named.'],
    ['Diese Redirect-URI wird nicht angenommen', 'Verbessern Sie, was genannt ist.'],
  ),
  role_declared: words(
    ['This role belongs to an application', 'Change what the application declares.'],
    ['Diese Rolle gehört einer Anwendung', 'Ändern Sie, was die Anwendung erklärt.'],
  ),
  role_exists: words(
    ['There is a role of this name already', 'Choose another name, or change that role.'],
    ['Eine Rolle dieses Namens gibt es schon', 'Wählen Sie einen anderen Namen, oder ändern Sie jene Rolle.'],
  ),
  role_held: words(
    ['People still have this role', 'Take it from these people first.'],
    ['Jemand hat diese Rolle noch', 'Nehmen Sie sie diesen Personen zuerst.'],
  ),
  role_protected: words(
    ['A role that is built in cannot be changed', 'Create a role of your own.'],
    ['Eine eingebaute Rolle lässt sich nicht ändern', 'Legen Sie eine eigene Rolle an.'],
  ),
  role_self_grant: words(
    ['You cannot grant yourself a role that approves sign-offs', 'Ask another administrator.'],
    ['Sie können sich keine Rolle geben, die Freigaben erteilt', 'Bitten Sie jemand anderen aus der Administration.'],
  ),
  security_report_not_ready: words(['This report is not finished yet'], ['Dieser Bericht ist noch nicht fertig']),
  security_reports_busy: words(
    ['Too many reports wait', 'Wait until one is finished.'],
    ['Zu viele Berichte warten', 'Warten Sie, bis einer fertig ist.'],
  ),
  application_unknown: gone('This application', 'Diese Anwendung'),
  role_unknown: gone('This role', 'Diese Rolle'),
  security_report_unknown: gone('This report', 'Diesen Bericht'),
  account_disabled: words(
    ['This account is disabled', 'Enable it first.'],
    ['Dieses Konto ist gesperrt', 'Entsperren Sie es zuerst.'],
  ),
  agent_not_accepted: NOT_FOR_PROGRAMS,
  agent_unknown: gone('This agent', 'Diesen Agenten'),
  alert_resolved: words(['This alert is resolved already'], ['Dieser Alarm ist schon erledigt']),
  alert_target_exists: words(
    ['This target cannot be added', 'Choose another name, or remove a target.'],
    ['Dieses Ziel kann nicht hinzukommen', 'Wählen Sie einen anderen Namen, oder entfernen Sie ein Ziel.'],
  ),
  alert_target_invalid: words(
    ['This target cannot work', 'Correct what is named.'],
    ['Dieses Ziel kann nicht funktionieren', 'Verbessern Sie, was genannt ist.'],
  ),
  alert_target_unknown: gone('This target', 'Dieses Ziel'),
  alert_unknown: gone('This alert', 'Diesen Alarm'),
  api_key_not_accepted: NOT_FOR_PROGRAMS,
  api_key_too_many: words(
    ['You have as many API keys as one may have', 'Revoke one that you no longer need.'],
    ['Sie haben so viele API-Schlüssel, wie man haben darf', 'Widerrufen Sie einen, den Sie nicht mehr brauchen.'],
  ),
  api_key_unknown: gone('This API key', 'Diesen API-Schlüssel'),
  audit_event_unknown: words(
    ['This event is not in the sealed log', 'If it is new, try again in a few seconds.'],
    [
      'Dieses Ereignis steht nicht im versiegelten Protokoll',
      'Ist es neu, versuchen Sie es in einigen Sekunden noch einmal.',
    ],
  ),
  audit_log_damaged: LOG_DOUBTFUL,
  audit_log_empty: words(
    ['The audit log has no checkpoint yet', 'The first one appears within seconds while a worker runs.'],
    ['Das Audit-Protokoll hat noch keinen Prüfpunkt', 'Der erste erscheint in Sekunden, solange ein Worker läuft.'],
  ),
  audit_origin_unknown: gone('This log', 'Dieses Protokoll'),
  audit_proof_pending: words(
    ['This event is not proved yet', 'Its proof appears within seconds while a worker runs.'],
    ['Dieses Ereignis ist noch nicht bewiesen', 'Sein Beweis erscheint in Sekunden, solange ein Worker läuft.'],
  ),
  audit_row_altered: LOG_DOUBTFUL,
  body_malformed: UNREADABLE,
  body_too_large: TOO_LARGE,
  callback_refused: words(['The return address is not allowed'], ['Die Rückkehradresse ist nicht erlaubt']),
  challenge_over: words(
    ['This sign-in took too long or had too many wrong codes', 'Sign in again.'],
    ['Diese Anmeldung hat zu lange gedauert oder hatte zu viele falsche Codes', 'Melden Sie sich noch einmal an.'],
  ),
  changed_meanwhile: words(['This was changed meanwhile'], ['Das wurde inzwischen geändert']),
  client_protected: words(
    ['The built-in client cannot be changed', 'Register a client of your own instead.'],
    ['Der eingebaute Client kann nicht geändert werden', 'Registrieren Sie stattdessen einen eigenen Client.'],
  ),
  client_unauthenticated: words(
    ['The application could not prove who it is', 'Go back to it and begin again.'],
    ['Die Anwendung konnte nicht beweisen, wer sie ist', 'Gehen Sie zu ihr zurück, und beginnen Sie noch einmal.'],
  ),
  client_unknown: gone('This client', 'Diesen Client'),
  client_without_secret: words(
    ['This client has no secret', 'Register a confidential client if the application can keep one.'],
    [
      'Dieser Client hat kein Geheimnis',
      'Registrieren Sie einen vertraulichen Client, wenn die Anwendung eines bewahren kann.',
    ],
  ),
  clock_wrong: UNAVAILABLE,
  code_invalid: words(
    ['This code is invalid or has expired', 'If you have several mails, use the newest, or ask for another one.'],
    [
      'Dieser Code ist ungültig oder abgelaufen',
      'Wenn Sie mehrere E-Mails haben, verwenden Sie die neueste, oder fordern Sie eine neue an.',
    ],
  ),
  consent_unknown: words(['This application has no access'], ['Diese Anwendung hat keinen Zugriff']),
  console_file_unknown: words(
    ['The console was replaced by a newer version', 'Load this page again.'],
    ['Die Konsole wurde durch eine neuere Version ersetzt', 'Laden Sie diese Seite neu.'],
  ),
  console_not_built: words(
    ['The console is not built', 'Run npm run generate in the installation.'],
    ['Die Konsole ist nicht gebaut', 'Führen Sie npm run generate in der Installation aus.'],
  ),
  content_type_unsupported: UNREADABLE,
  current_password_wrong: words(
    ['The password is wrong', 'Try again, or ask for a new password by mail.'],
    ['Das Passwort ist falsch', 'Versuchen Sie es noch einmal, oder fordern Sie per E-Mail ein neues Passwort an.'],
  ),
  cursor_invalid: words(
    ['This place in the list no longer exists', 'Load the list again.'],
    ['Diese Stelle der Liste gibt es nicht mehr', 'Laden Sie die Liste neu.'],
  ),
  dead_letter_unknown: gone('This dead letter', 'Diesen unzustellbaren Auftrag'),
  directory_stale: UNAVAILABLE,
  email_taken: words(
    ['An account with this e-mail exists', 'Sign in, or choose a new password by mail.'],
    [
      'Es gibt schon ein Konto mit dieser E-Mail-Adresse',
      'Melden Sie sich an, oder wählen Sie per E-Mail ein neues Passwort.',
    ],
  ),
  email_unverified: words(
    ['Your e-mail address is not confirmed yet', 'Follow the link in the mail, or ask for another one.'],
    [
      'Ihre E-Mail-Adresse ist noch nicht bestätigt',
      'Folgen Sie dem Link in der E-Mail, oder fordern Sie eine neue an.',
    ],
  ),
  expectation_unsupported: UNREADABLE,
  factor_code_wrong: words(
    ['The code of the new app is wrong', 'Check the clock of the device, and enter the code that it shows now.'],
    [
      'Der Code der neuen App ist falsch',
      'Prüfen Sie die Uhr des Geräts, und geben Sie den Code ein, den es jetzt zeigt.',
    ],
  ),
  factor_conflict: words(
    ['This does not fit the current second factor', 'Load the page again and look which factors the account has.'],
    [
      'Das passt nicht zum jetzigen Stand des zweiten Faktors',
      'Laden Sie die Seite neu, und sehen Sie nach, welche Faktoren das Konto hat.',
    ],
  ),
  factors_absent: words(
    ['There is no second factor to reset', 'If a passkey must go too, choose that.'],
    ['Es gibt keinen zweiten Faktor zurückzusetzen', 'Soll auch ein Passkey weg, wählen Sie das.'],
  ),
  hashing_busy: words(['Too many people are signing in at the same time'], ['Zu viele melden sich gleichzeitig an']),
  headers_too_large: words(
    ['The browser sent too much', 'Delete the cookies of this address and sign in again.'],
    ['Der Browser hat zu viel gesendet', 'Löschen Sie die Cookies dieser Adresse, und melden Sie sich wieder an.'],
  ),
  idempotency_key_reused: words(
    ['This was sent already, with another content', 'Load the page again.'],
    ['Das wurde schon gesendet, mit anderem Inhalt', 'Laden Sie die Seite neu.'],
  ),
  import_unknown: gone('This import', 'Diesen Import'),
  incident_closed: words(
    ['This incident is closed already', 'Look for an open one about the same.'],
    ['Dieser Vorfall ist schon abgeschlossen', 'Suchen Sie einen offenen zu derselben Sache.'],
  ),
  incident_unknown: gone('This incident', 'Diesen Vorfall'),
  internal_error: words(
    ['Something failed on our side', 'Try again, and tell the operator if it stays so.'],
    [
      'Bei uns ist etwas fehlgeschlagen',
      'Versuchen Sie es noch einmal, und sagen Sie es dem Betreiber, wenn es so bleibt.',
    ],
  ),
  key_ring_behind: UNAVAILABLE,
  key_unknown: gone('This signing key', 'Diesen Signaturschlüssel'),
  last_admin: words(
    ['You are the last administrator', 'Give the role to another user first.'],
    ['Sie sind der letzte Administrator', 'Geben Sie die Rolle zuerst jemand anderem.'],
  ),
  last_way_in: words(
    ['This is your only way to sign in', 'Choose a password or link another service first.'],
    [
      'Das ist der einzige Weg, auf dem Sie sich anmelden können',
      'Wählen Sie zuerst ein Passwort, oder verbinden Sie einen anderen Dienst.',
    ],
  ),
  legacy_bridge_ended: NOT_CARRIED_OVER,
  legacy_keys_unavailable: UNAVAILABLE,
  legacy_not_configured: NOT_CARRIED_OVER,
  legacy_session_ended: NOT_CARRIED_OVER,
  legacy_token_algorithm_refused: NOT_CARRIED_OVER,
  legacy_token_audience_refused: NOT_CARRIED_OVER,
  legacy_token_bound: NOT_CARRIED_OVER,
  legacy_token_expired: NOT_CARRIED_OVER,
  legacy_token_issuer_refused: NOT_CARRIED_OVER,
  legacy_token_key_refused: NOT_CARRIED_OVER,
  legacy_token_malformed: NOT_CARRIED_OVER,
  legacy_token_not_yet_valid: NOT_CARRIED_OVER,
  legacy_token_signature_invalid: NOT_CARRIED_OVER,
  legacy_user_unknown: NOT_CARRIED_OVER,
  linked_account_unknown: words(['This account is not linked'], ['Dieses Konto ist nicht verbunden']),
  login_locked: words(
    [
      'Sign-in temporarily locked',
      'You can use a passkey, sign in on a device where you have signed in before, ask for an unlock mail, or reset your password.',
    ],
    [
      'Die Anmeldung ist vorübergehend gesperrt',
      'Sie können einen Passkey verwenden, sich auf einem Gerät anmelden, auf dem Sie schon angemeldet waren, eine E-Mail zum Entsperren anfordern oder Ihr Passwort zurücksetzen.',
    ],
  ),
  login_refused: words(
    ['E-mail or password is wrong', 'Check the e-mail address and the password, and try again.'],
    ['E-Mail oder Passwort ist falsch', 'Prüfen Sie E-Mail-Adresse und Passwort und versuchen Sie es noch einmal.'],
  ),
  mcp_unavailable: UNAVAILABLE,
  method_not_allowed: UNREADABLE,
  origin_refused: words(
    ['This request came from another site', 'Open the page here and begin again.'],
    ['Die Anfrage kam von einer fremden Seite', 'Öffnen Sie die Seite hier, und beginnen Sie noch einmal.'],
  ),
  own_credential_required: words(
    ['This needs a credential that is bound to you', 'Sign in again.'],
    ['Das braucht einen Nachweis, der an Sie gebunden ist', 'Melden Sie sich wieder an.'],
  ),
  passkey_refused: words(
    ['This service does not accept this passkey', 'Try another passkey, or sign in with your password.'],
    [
      'Dieser Dienst nimmt diesen Passkey nicht an',
      'Versuchen Sie einen anderen Passkey, oder melden Sie sich mit Ihrem Passwort an.',
    ],
  ),
  passkey_unknown: gone('This passkey', 'Diesen Passkey'),
  password_breached: words(
    ['This password was found in a data breach', 'Choose another one, and change it wherever else you use it.'],
    [
      'Dieses Passwort stand in einem Datenleck',
      'Wählen Sie ein anderes, und ändern Sie es überall, wo Sie es sonst verwenden.',
    ],
  ),
  password_common: words(
    ['This password is too common', 'A few unusual words are enough.'],
    ['Dieses Passwort ist zu verbreitet', 'Einige ungewöhnliche Wörter genügen.'],
  ),
  password_has_email: words(
    ['This password is too similar to the e-mail address', 'Choose one that has nothing to do with it.'],
    ['Dieses Passwort ist der E-Mail-Adresse zu ähnlich', 'Wählen Sie eines, das nichts mit ihr zu tun hat.'],
  ),
  password_has_name: words(
    ['This password is too similar to your name', 'Choose one that has nothing to do with it.'],
    ['Dieses Passwort ist Ihrem Namen zu ähnlich', 'Wählen Sie eines, das nichts mit ihm zu tun hat.'],
  ),
  password_has_product: words(
    ['This password is too similar to the name of this service', 'Choose one that has nothing to do with it.'],
    ['Dieses Passwort ist dem Namen dieses Dienstes zu ähnlich', 'Wählen Sie eines, das nichts mit ihm zu tun hat.'],
  ),
  password_ill_formed: words(
    ['This password contains characters that cannot be stored', 'Choose another one.'],
    ['Dieses Passwort enthält Zeichen, die nicht gespeichert werden können', 'Wählen Sie ein anderes.'],
  ),
  password_required: words(
    ['This code needs a password too', 'Enter the password of the account.'],
    ['Zu diesem Code gehört ein Passwort', 'Geben Sie das Passwort des Kontos ein.'],
  ),
  password_too_long: words(
    ['This password is too long', 'Choose one of at most 256 characters.'],
    ['Dieses Passwort ist zu lang', 'Wählen Sie eines mit höchstens 256 Zeichen.'],
  ),
  password_too_short: words(
    ['This password is too short', 'Choose a longer one; a few words are enough.'],
    ['Dieses Passwort ist zu kurz', 'Wählen Sie ein längeres; einige Wörter genügen.'],
  ),
  permission_missing: words(
    ['You do not have the permission for this', 'An administrator can grant you a role that has it.'],
    ['Dazu fehlt Ihnen das Recht', 'Ein Administrator kann Ihnen eine Rolle geben, die es hat.'],
  ),
  queue_change_refused: words(
    ['The job has changed meanwhile', 'Load the page again.'],
    ['Der Auftrag hat sich inzwischen geändert', 'Laden Sie die Seite neu.'],
  ),
  queue_unavailable: words(
    ['The queues do not answer at the moment', 'An operator checks Redis.'],
    ['Die Warteschlangen antworten gerade nicht', 'Ein Betreiber prüft Redis.'],
  ),
  rate_limited: words(['Too many requests'], ['Zu viele Anfragen']),
  replay_store_unavailable: UNAVAILABLE,
  report_not_ready: words(
    ['This report is not finished yet', 'Its page shows how far it is.'],
    ['Dieser Bericht ist noch nicht fertig', 'Seine Seite zeigt, wie weit er ist.'],
  ),
  control_unknown: gone('This control', 'Diese Kontrolle'),
  report_ended: words(['This report has ended already'], ['Dieser Bericht ist schon beendet']),
  violation_resolved: words(['This violation is resolved already'], ['Dieser Verstoß ist schon behoben']),
  violation_unknown: gone('This violation', 'Diesen Verstoß'),
  report_unknown: gone('This report', 'Diesen Bericht'),
  reports_busy: words(
    ['Too many reports wait', 'Wait until one is finished, or cancel one.'],
    ['Zu viele Berichte warten', 'Warten Sie, bis einer fertig ist, oder brechen Sie einen ab.'],
  ),
  request_invalid: UNREADABLE,
  request_stale: UNAVAILABLE,
  request_too_slow: words(
    ['The request did not arrive in time', 'Check your connection and send it again.'],
    ['Die Anfrage kam nicht rechtzeitig an', 'Prüfen Sie Ihre Verbindung, und senden Sie sie noch einmal.'],
  ),
  request_unreadable: UNREADABLE,
  revocation_state_stale: UNAVAILABLE,
  rights_exceeded: words(
    ['You lack a permission that this would grant or remove', 'Ask an administrator who has it.'],
    ['Ihnen fehlt ein Recht, das dies geben oder nehmen würde', 'Bitten Sie einen Administrator, der es hat.'],
  ),
  route_unknown: words(['This page does not exist'], ['Diese Seite gibt es nicht']),
  run_superseded: words(['A newer run does this already'], ['Ein neuerer Lauf tut das schon']),
  second_factor_locked: words(
    ['Too many wrong codes', 'You can use a recovery code or a passkey.'],
    ['Zu viele falsche Codes', 'Sie können einen Wiederherstellungs\u00adcode oder einen Passkey verwenden.'],
  ),
  second_factor_refused: words(
    [
      'This code is wrong, or was used before',
      'Wait until your app shows the next code and enter it, or use a recovery code.',
    ],
    [
      'Dieser Code ist falsch oder wurde schon benutzt',
      'Warten Sie, bis Ihre App den nächsten Code zeigt, und geben Sie diesen ein, oder verwenden Sie einen Wiederherstellungs\u00adcode.',
    ],
  ),
  second_factor_required: words(
    ['A second factor is also needed', 'Enter a code of your authenticator app or a recovery code.'],
    [
      'Ein zweiter Faktor ist zusätzlich nötig',
      'Geben Sie einen Code Ihrer Authenticator-App oder einen Wiederherstellungs\u00adcode ein.',
    ],
  ),
  session_ended: words(
    ['Your session has ended', 'Sign in again.'],
    ['Ihre Sitzung ist beendet', 'Melden Sie sich wieder an.'],
  ),
  session_stepped_up: words(
    ['This session was confirmed by a second factor here', 'Sign in here.'],
    ['Diese Sitzung wurde hier mit einem zweiten Faktor bestätigt', 'Melden Sie sich hier an.'],
  ),
  session_unknown: words(['This session has ended already'], ['Diese Sitzung ist schon beendet']),
  shutting_down: UNAVAILABLE,
  siem_position_ahead: words(
    ['The target has not reached this event yet', 'Name an earlier one.'],
    ['Das Ziel hat dieses Ereignis noch nicht erreicht', 'Nennen Sie ein früheres.'],
  ),
  siem_target_unknown: words(
    ['This target was not found', 'A new one appears after the next run of the export.'],
    ['Dieses Ziel gibt es nicht', 'Ein neues erscheint nach dem nächsten Lauf des Exports.'],
  ),
  signal_stream_unknown: gone('This stream', 'Diesen Stream'),
  signing_algorithm_refused: words(
    ['Tokens are not signed with this algorithm here', 'Choose one that is offered.'],
    ['Tokens werden hier nicht mit diesem Verfahren signiert', 'Wählen Sie eines der angebotenen.'],
  ),
  signing_unavailable: UNAVAILABLE,
  signoff_already_decided: words(
    [
      'You or this role have decided already',
      'Another person decides, in one of the remaining roles; accounts with one mailbox are one person.',
    ],
    [
      'Sie oder diese Rolle haben schon entschieden',
      'Eine andere Person entscheidet, in einer der übrigen Rollen; Konten mit demselben Postfach sind eine Person.',
    ],
  ),
  signoff_arguments_changed: words(
    ['The act has changed since you opened it', 'Open it again and read what it does now.'],
    [
      'Die Handlung hat sich geändert, seit Sie sie geöffnet haben',
      'Öffnen Sie sie neu, und lesen Sie, was sie jetzt tut.',
    ],
  ),
  signoff_closed: words(
    ['This sign-off was decided already or has expired'],
    ['Diese Freigabe ist schon entschieden oder abgelaufen'],
  ),
  signoff_role_missing: words(
    ['You do not have this role', 'Decide in a role that you have.'],
    ['Sie haben diese Rolle nicht', 'Entscheiden Sie in einer Rolle, die Sie haben.'],
  ),
  signoff_role_not_required: words(
    ['This role is not asked', 'Decide in one of the roles that are.'],
    ['Diese Rolle ist nicht gefragt', 'Entscheiden Sie in einer der Rollen, die gefragt sind.'],
  ),
  signoff_self_approval: words(
    [
      'You cannot decide what you asked for yourself',
      'Ask another person to decide; accounts with one mailbox are one person.',
    ],
    [
      'Worum Sie selbst gebeten haben, können Sie nicht entscheiden',
      'Bitten Sie eine andere Person zu entscheiden; Konten mit demselben Postfach sind eine Person.',
    ],
  ),
  signoff_unfinished: words(
    ['There is no receipt yet', 'It appears once the end of the act was reported.'],
    ['Es gibt noch keine Quittung', 'Sie erscheint, sobald das Ende der Handlung gemeldet ist.'],
  ),
  signoff_unknown: gone('This sign-off', 'Diese Freigabe'),
  silence_invalid: words(
    ['This silence cannot be set', 'Correct what is named.'],
    ['Diese Stummschaltung geht so nicht', 'Verbessern Sie, was genannt ist.'],
  ),
  silence_unknown: gone('This silence', 'Diese Stummschaltung'),
  social_account_taken: words(
    ['This account is linked to another user', 'Sign in to that other account, or unlink the provider there first.'],
    [
      'Dieses Konto ist mit einem anderen Benutzer verbunden',
      'Melden Sie sich bei jenem Konto an, oder trennen Sie dort zuerst die Verbindung.',
    ],
  ),
  social_email_unproven: words(
    [
      'The provider has not confirmed the e-mail address',
      'Verify your address with that provider, or sign in another way.',
    ],
    [
      'Der Anbieter hat die E-Mail-Adresse nicht bestätigt',
      'Bestätigen Sie Ihre Adresse bei dem Anbieter, oder melden Sie sich anders an.',
    ],
  ),
  social_provider_unavailable: words(
    ['The provider does not answer', 'You can also sign in another way.'],
    ['Der Anbieter ist nicht erreichbar', 'Sie können sich auch anders anmelden.'],
  ),
  social_provider_unknown: words(
    ['There is no such provider here', 'Sign in another way.'],
    ['Den Anbieter gibt es hier nicht', 'Melden Sie sich anders an.'],
  ),
  social_sign_in_refused: words(
    ['The sign-in could not be completed', 'Start again in this browser.'],
    ['Die Anmeldung konnte nicht abgeschlossen werden', 'Beginnen Sie in diesem Browser noch einmal.'],
  ),
  state_rewound: UNAVAILABLE,
  step_up_required: words(
    ['Your sign-in is too long ago', 'Sign in again.'],
    ['Ihre Anmeldung ist zu lange her', 'Melden Sie sich wieder an.'],
  ),
  store_unavailable: UNAVAILABLE,
  transfer_coding_unsupported: UNREADABLE,
  transmitter_exists: words(
    ['This transmitter is there already', 'Remove the other one first.'],
    ['Diesen Absender gibt es schon', 'Entfernen Sie zuerst den anderen.'],
  ),
  transmitter_invalid: words(
    ['This transmitter cannot work', 'Correct what is named.'],
    ['Dieser Absender kann nicht funktionieren', 'Verbessern Sie, was genannt ist.'],
  ),
  transmitter_unknown: gone('This transmitter', 'Diesen Absender'),
  unauthenticated: SIGN_IN_AGAIN,
  user_unknown: gone('This person', 'Diese Person'),
  wing_left_out: words(['This installation does not have this part'], ['Diese Installation hat diesen Teil nicht']),
  wrong_host: words(
    ['This page belongs to another address', 'Open it at {address} and begin again.'],
    ['Diese Seite gehört zu einer anderen Adresse', 'Öffnen Sie sie unter {address}, und beginnen Sie noch einmal.'],
  ),
} as const satisfies Readonly<Record<string, InEachLanguage>>;

/** For an error that no page should show: still words for people, in their language. */
export const otherProblem: InEachLanguage = words(['This did not work'], ['Das hat nicht geklappt']);

/** What is said about an error, in one language. */
export const wordsOf = (code: string, tag: LanguageTag): Words =>
  ((problemWords as Readonly<Record<string, InEachLanguage>>)[code] ?? otherProblem)[tag];
