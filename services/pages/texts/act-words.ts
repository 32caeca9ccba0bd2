import type { LanguageTag } from '#services/platform/define/languages.ts';

type ActWords = {
  /** The text of its button, and what will happen, in one or two sentences. */
  readonly says: Readonly<Record<LanguageTag, readonly [verb: string, lead: string]>>;
  /** It ends access or work, or takes something away: its button warns, and what it affects is counted before. */
  readonly ends?: true;
  /** The same on the command line, for a write whose command is made by hand: `users roles {user_id} --grant {role}`. */
  readonly command?: string;
  /** Its options by member; empty for a member that a file of the command holds, or that it does not need. */
  readonly options?: Readonly<Record<string, string>>;
};

type Words = readonly [verb: string, lead: string];
const act = (en: Words, de: Words, more: Omit<ActWords, 'says'> = {}): ActWords => ({ says: { en, de }, ...more });
const ends = (en: Words, de: Words, more: Omit<ActWords, 'says' | 'ends'> = {}): ActWords =>
  act(en, de, { ...more, ends: true });

/** Writes of administrators, by their operation. One that is missing here is said by its contract, in English. */
export const actWords: Readonly<Record<string, ActWords>> = {
  acknowledgeAlert: act(
    ['Acknowledge', 'Others see that you are looking into it. Targets that were not told of it yet are not told.'],
    ['Übernehmen', 'Andere sehen, dass Sie ihn untersuchen. Ziele, die ihn noch nicht bekamen, bekommen ihn nicht.'],
  ),
  acknowledgeIncident: act(
    ['Acknowledge', 'Tells others that you are looking into it. Further sightings are added to it.'],
    ['Übernehmen', 'Andere sehen, dass Sie ihn untersuchen. Weitere Sichtungen kommen hinzu.'],
  ),
  acceptViolation: act(
    ['Accept', 'The organisation lives with it, for the reason that you give. Its control stays as it is.'],
    ['Hinnehmen', 'Die Organisation lebt damit, aus dem Grund, den Sie nennen. Seine Kontrolle bleibt, wie sie ist.'],
  ),
  acknowledgeViolation: act(
    ['Acknowledge events', 'The check can resolve it then. Events after the one that you name stay open.'],
    ['Ereignisse quittieren', 'Danach kann die Prüfung ihn beheben. Ereignisse nach dem genannten bleiben offen.'],
  ),
  assignViolation: act(
    ['Assign', 'Says who follows it up, and until when.'],
    ['Zuweisen', 'Sagt, wer sich darum kümmert, und bis wann.'],
  ),
  attestControl: act(
    [
      'Confirm',
      'You state what stands here until it expires. Name the document that you rely on, and no personal data.',
    ],
    [
      'Bestätigen',
      'Sie erklären bis zum Ablauf, was hier steht. Nennen Sie das Dokument dazu, und keine Personendaten.',
    ],
  ),
  cancelReport: ends(['Cancel the report', 'It ends without a bundle.'], ['Bericht abbrechen', 'Er endet ohne Paket.']),
  changeUserEmail: act(
    ['Change the address', 'It counts at once, without a code. The old address is told, and sessions go on.'],
    ['Adresse ändern', 'Sie gilt sofort, ohne Code. Die alte Adresse erfährt es, und Sitzungen laufen weiter.'],
  ),
  closeIncident: act(
    ['Close', 'The next sighting raises a new incident.'],
    ['Schließen', 'Die nächste Sichtung meldet einen neuen Vorfall.'],
  ),
  compromiseKey: ends(
    [
      'Report compromise',
      'All its unexpired tokens are refused everywhere within a second, and another key signs at once. Applications refresh; people whose session is bound to it sign in again.',
    ],
    [
      'Kompromittierung melden',
      'Alle seine nicht abgelaufenen Tokens werden überall binnen einer Sekunde abgelehnt, und ein anderer signiert sofort. Anwendungen erneuern; wessen Sitzung an ihm hängt, meldet sich neu an.',
    ],
    { command: 'keys compromise {kid} --reason {reason}' },
  ),
  createAlertTarget: act(
    [
      'Add a target',
      'Alerts from now on are sent there: their names and labels leave this installation. Send a test afterwards.',
    ],
    [
      'Ziel hinzufügen',
      'Alarme ab jetzt gehen dorthin: ihre Namen und Labels verlassen diese Installation. Senden Sie danach einen Test.',
    ],
  ),
  createClient: act(
    ['Create a client', 'It gets tokens at once. Its secret is shown once.'],
    ['Client anlegen', 'Er bekommt sofort Tokens. Sein Geheimnis wird einmal gezeigt.'],
  ),
  createRole: act(
    ['Create a role', 'It can have no permission that you lack. Grant it on the page of a person.'],
    ['Rolle anlegen', 'Sie kann keine Berechtigung haben, die Ihnen fehlt. Geben Sie sie auf der Seite einer Person.'],
  ),
  createSilence: act(
    [
      'Silence',
      'No target gets alerts with all these labels until then, not even critical ones. They are still shown here.',
    ],
    [
      'Stummschalten',
      'Niemand erfährt bis dahin von Alarmen mit allen diesen Labels, auch nicht von kritischen. Hier erscheinen sie weiter.',
    ],
  ),
  createTransmitter: act(
    [
      'Add a transmitter',
      'Its session-revoked and credential-change end every session and token of the user that they name.',
    ],
    [
      'Sender hinzufügen',
      'Sein session-revoked und credential-change beenden jede Sitzung und jedes Token des genannten Benutzers.',
    ],
  ),
  declareApplication: act(
    [
      'Declare an application',
      'What is declared here is what it has afterwards. A permission that is missing ends the tokens that carry it.',
    ],
    [
      'Anwendung erklären',
      'Danach hat sie genau, was hier erklärt ist. Eine fehlende Berechtigung beendet die Tokens, die sie tragen.',
    ],
    {
      command: 'apply permissions.yaml --reason {reason}',
      options: {
        application: '',
        audience: '',
        permissions: '',
        roles: '',
        scopes: '',
        signoff_policies: '',
        authorization_details: '',
      },
    },
  ),
  deleteApplication: ends(
    [
      'Delete',
      'Its permissions and roles are removed, and tokens with its permissions end. No person may have one of its roles.',
    ],
    [
      'Löschen',
      'Ihre Berechtigungen und Rollen werden entfernt, und Tokens mit ihren Berechtigungen enden. Niemand darf eine ihrer Rollen haben.',
    ],
  ),
  deleteClient: ends(
    ['Delete', 'The client is removed. Its tokens and those of its users end within a second. It cannot be undone.'],
    [
      'Löschen',
      'Der Client wird entfernt. Seine Tokens und die seiner Benutzer enden binnen einer Sekunde. Das ist endgültig.',
    ],
  ),
  deleteRole: ends(
    ['Delete', 'The role is removed. No person may have it.'],
    ['Löschen', 'Die Rolle wird entfernt. Niemand darf sie haben.'],
  ),
  deleteUser: ends(
    ['Delete', 'The account and its personal data are removed for good, and every session and token ends.'],
    [
      'Löschen',
      'Das Konto und seine persönlichen Daten werden endgültig entfernt, und jede Sitzung und jedes Token endet.',
    ],
  ),
  disableClient: ends(
    ['Disable', 'Its tokens and those of its users end within a second, and it gets no new ones until it is enabled.'],
    [
      'Sperren',
      'Seine Tokens und die seiner Benutzer enden binnen einer Sekunde, und er bekommt keine neuen, bis er entsperrt ist.',
    ],
  ),
  disableUser: ends(
    [
      'Disable',
      'Every session and token ends within a second, and no sign-in is accepted until the account is enabled.',
    ],
    [
      'Sperren',
      'Jede Sitzung und jedes Token endet binnen einer Sekunde, und keine Anmeldung gelingt, bis das Konto entsperrt ist.',
    ],
  ),
  discardDeadLetter: ends(
    [
      'Discard',
      'It is removed for good, and its work is never done. Do it only if the work is obsolete or was done by hand.',
    ],
    [
      'Verwerfen',
      'Er wird endgültig entfernt, und seine Arbeit wird nie getan. Nur, wenn sie überholt ist oder von Hand erledigt wurde.',
    ],
    { command: 'queue discard {queue} {job_id} --reason {reason}' },
  ),
  enableClient: act(
    ['Enable', 'The client gets tokens again. Ended tokens stay ended.'],
    ['Entsperren', 'Der Client bekommt wieder Tokens. Beendete Tokens bleiben beendet.'],
  ),
  enableUser: act(
    ['Enable', 'The person can sign in again. Ended sessions stay ended.'],
    ['Entsperren', 'Die Person kann sich wieder anmelden. Beendete Sitzungen bleiben beendet.'],
  ),
  endSession: ends(
    ['End session', 'The session ends everywhere within a second, with the tokens that applications got through it.'],
    [
      'Sitzung beenden',
      'Die Sitzung endet überall binnen einer Sekunde, samt den Tokens, die Anwendungen durch sie bekamen.',
    ],
    { command: 'sessions revoke {session_id} --reason {reason}' },
  ),
  endSilence: act(
    ['End', 'Alerts with these labels that still last and were not sent are sent now.'],
    ['Beenden', 'Alarme mit diesen Labels, die noch bestehen und nicht gesendet wurden, werden jetzt gesendet.'],
  ),
  endUserSessions: ends(
    ['End all sessions', 'The person is signed out everywhere within a second. They can sign in again.'],
    [
      'Alle Sitzungen beenden',
      'Die Person ist binnen einer Sekunde überall abgemeldet. Sie kann sich wieder anmelden.',
    ],
    { command: 'sessions revoke --user {user_id} --reason {reason}' },
  ),
  grantRole: act(
    ['Grant a role', 'The person has its permissions from the next token on. You cannot grant what you lack.'],
    [
      'Rolle geben',
      'Die Person hat ihre Berechtigungen ab dem nächsten Token. Sie können nichts geben, was Ihnen fehlt.',
    ],
    { command: 'users roles {user_id} --grant {role} --reason {reason}' },
  ),
  inviteAgain: act(
    ['Invite again', 'A new invitation is mailed; earlier ones stop working.'],
    ['Erneut einladen', 'Eine neue Einladung geht per Mail hinaus; frühere gelten nicht mehr.'],
    { command: 'users invite-again {user_id} --reason {reason}' },
  ),
  inviteUser: act(
    ['Invite a person', 'An account is made, and an invitation is mailed to it.'],
    ['Person einladen', 'Ein Konto entsteht, und eine Einladung geht per Mail hinaus.'],
    { command: 'users invite {email} --reason {reason}', options: { name: '--name' } },
  ),
  killAgent: ends(
    [
      'Kill',
      'Every token of the agent, and every one that it got for its owner, is refused within a second. Its open sign-offs fail. It cannot be undone.',
    ],
    [
      'Beenden',
      'Jedes Token des Agenten, und jedes, das er für seinen Inhaber bekam, wird binnen einer Sekunde abgelehnt. Seine offenen Freigaben scheitern. Das ist endgültig.',
    ],
  ),
  limitAgent: act(
    ['Limit acts', 'It holds for the next start. Without a number and amounts the limit of the act is removed.'],
    [
      'Handlungen begrenzen',
      'Die Grenze gilt ab dem nächsten Beginn. Ohne Zahl und Beträge entfällt die Grenze der Handlung.',
    ],
  ),
  readImportRejects: act(['Download the rejected records', ''], ['Abgelehnte Datensätze herunterladen', '']),
  readReportBundle: act(['Bundle (JSON)', ''], ['Paket (JSON)', '']),
  readReportEvidence: act(['Evidence (CSV)', ''], ['Nachweise (CSV)', '']),
  readSecurityReportDays: act(['Download the days', ''], ['Tage herunterladen', '']),
  readSecurityReportFile: act(['Download the report', ''], ['Bericht herunterladen', '']),
  registerAgent: act(
    ['Register an agent', 'It acts for its owner, with no more rights than the owner has. Its secret is shown once.'],
    [
      'Agenten registrieren',
      'Er handelt für seinen Inhaber, mit nicht mehr Rechten als dieser. Sein Geheimnis wird einmal gezeigt.',
    ],
  ),
  removeAlertTarget: ends(
    ['Remove', 'No more alerts are sent there, and what waits is dropped.'],
    ['Entfernen', 'Dorthin gehen keine Alarme mehr, und was wartet, entfällt.'],
  ),
  removeTransmitter: ends(
    [
      'Remove',
      'Its signals are refused from now on: access that ends there does not end here. What they ended stays ended.',
    ],
    [
      'Entfernen',
      'Seine Signale werden ab jetzt abgelehnt: Zugriff, der dort endet, endet hier nicht. Was sie beendet haben, bleibt beendet.',
    ],
  ),
  rehearseImport: act(
    ['Check the file', 'First see what the import would do. Nothing is written.'],
    ['Datei prüfen', 'Sehen Sie zuerst, was der Import täte. Nichts wird geschrieben.'],
  ),
  requestImport: act(
    ['Import a file', 'A worker reads the file of users. Importing the same file again changes nothing.'],
    ['Datei importieren', 'Ein Worker liest die Datei mit Benutzern. Dieselbe Datei noch einmal ändert nichts.'],
    { command: 'import {kind} users.json --reason {reason}', options: { data: '' } },
  ),
  requestReport: act(
    ['Make a report', 'A worker collects the evidence and seals it. The page of the report follows it.'],
    [
      'Bericht erstellen',
      'Ein Worker sammelt die Nachweise und versiegelt sie. Die Seite des Berichts zeigt den Stand.',
    ],
    { command: 'report run' },
  ),
  requestSecurityReport: act(
    ['Make a report', 'A worker makes it within minutes: of the last week, unless you choose other days.'],
    [
      'Bericht erstellen',
      'Ein Worker erstellt ihn binnen Minuten: über die letzte Woche, wenn Sie keine anderen Tage wählen.',
    ],
    { command: 'reports run' },
  ),
  replaySiem: act(
    [
      'Send again',
      'It gets every event from this number on again, in order. A SIEM that knows them by their id keeps one of each.',
    ],
    [
      'Erneut senden',
      'Es bekommt alle Ereignisse ab dieser Nummer erneut, der Reihe nach. Ein SIEM, das ihre ID kennt, behält je eines.',
    ],
  ),
  resetFactors: ends(
    [
      'Reset factors',
      'The authenticator app is removed and every session ends. The person signs in with the password and adds a factor again.',
    ],
    [
      'Faktoren zurücksetzen',
      'Die Authenticator-App wird entfernt, und jede Sitzung endet. Die Person meldet sich mit dem Passwort an und fügt wieder einen Faktor hinzu.',
    ],
  ),
  resolveAlert: act(
    ['Resolve', 'Targets that were told of it learn that it is over. The next sighting raises a new alert.'],
    [
      'Erledigen',
      'Ziele, die ihn bekamen, erfahren, dass er vorbei ist. Die nächste Sichtung meldet einen neuen Alarm.',
    ],
  ),
  retryDeadLetter: act(
    ['Retry', 'It goes back into its queue with all its attempts. Remove the cause first, or it fails again.'],
    [
      'Wiederholen',
      'Er kommt mit allen Versuchen zurück in seine Warteschlange. Beheben Sie zuerst die Ursache, sonst scheitert er wieder.',
    ],
    { command: 'queue retry {job_id}', options: { queue: '' } },
  ),
  revokeAnyApiKey: ends(
    ['Revoke', 'Every request with this key is refused within a second. It cannot be undone.'],
    ['Widerrufen', 'Jede Anfrage mit diesem Schlüssel wird binnen einer Sekunde abgelehnt. Das ist endgültig.'],
  ),
  rotateClientSecret: ends(
    [
      'Rotate secret',
      'The new secret is shown once; the previous one works until the overlap ends. After a leak choose 0 seconds: then its tokens, those of its users and its API keys end too.',
    ],
    [
      'Geheimnis wechseln',
      'Das neue Geheimnis wird einmal gezeigt; das vorige gilt bis zum Ende der Überlappung. Nach einem Leck wählen Sie 0 Sekunden: dann enden auch seine Tokens, die seiner Benutzer und seine API-Schlüssel.',
    ],
  ),
  rotateSigningKeys: act(
    ['Rotate', 'The next key is published now, and signs once every verifier has it. No token is refused.'],
    [
      'Wechseln',
      'Der nächste Schlüssel wird jetzt veröffentlicht und signiert, sobald jeder Prüfer ihn hat. Kein Token wird abgelehnt.',
    ],
    { command: 'keys rotate', options: { algorithm: '--algorithm' } },
  ),
  sendPasswordMail: act(
    ['Send a password mail', 'A code for a new password goes to the address of the account.'],
    ['Passwort-Mail senden', 'Ein Code für ein neues Passwort geht an die Adresse des Kontos.'],
  ),
  setRolePermissions: act(
    [
      'Change permissions',
      'People with the role may do this from now on. A permission that is removed ends the tokens of these people.',
    ],
    [
      'Berechtigungen ändern',
      'Wer die Rolle hat, darf das ab jetzt. Eine entfernte Berechtigung beendet die Tokens dieser Personen.',
    ],
  ),
  setSignalStreamStatus: act(
    [
      'Change status',
      'A paused stream keeps its events. A disabled one drops what waits, and its receiver does not learn of access that ends meanwhile.',
    ],
    [
      'Zustand ändern',
      'Ein angehaltener Strom hebt seine Ereignisse auf. Bei einem abgeschalteten entfällt, was wartet, und der Empfänger erfährt nicht von Zugriff, der inzwischen endet.',
    ],
  ),
  removeRole: ends(
    ['Take a role', 'The person loses its permissions, and tokens that carry them end within a second.'],
    [
      'Rolle nehmen',
      'Die Person verliert ihre Berechtigungen, und Tokens, die sie tragen, enden binnen einer Sekunde.',
    ],
    { command: 'users roles {user_id} --remove {role} --reason {reason}' },
  ),
  testAlertTarget: act(
    ['Send a test', 'A worker sends it within seconds. The deliveries show what became of it.'],
    ['Test senden', 'Ein Worker sendet ihn binnen Sekunden. Die Zustellungen zeigen, was daraus wurde.'],
  ),
  unlockUser: act(
    ['Unlock', 'Passwords are accepted again, also from devices that the person has not used before.'],
    [
      'Passwörter freigeben',
      'Passwörter werden wieder angenommen, auch von Geräten, die die Person noch nicht benutzt hat.',
    ],
  ),
  updateAlertTarget: act(
    [
      'Change',
      'Only what you change here is changed. What waits is sent to a new address, with names and labels of alerts.',
    ],
    [
      'Ändern',
      'Nur was Sie hier ändern, ändert sich. Was wartet, geht an eine neue Adresse, mit Namen und Labels der Alarme.',
    ],
  ),
  updateClient: act(
    ['Change', 'Only what you change here is changed. A scope or grant that is removed ends the tokens that have it.'],
    [
      'Ändern',
      'Nur was Sie hier ändern, ändert sich. Ein entfernter Scope oder Grant beendet die Tokens, die ihn haben.',
    ],
  ),
  verifySignalStream: act(
    [
      'Verify',
      'An event goes through the sealed log and the queue, as every one does. Its receiver says whether it came.',
    ],
    [
      'Prüfen',
      'Ein Ereignis geht wie jedes durch das versiegelte Protokoll und die Warteschlange. Ob es ankam, sagt der Empfänger.',
    ],
  ),
  verifyUserEmail: act(
    [
      'Vouch for the address',
      'It counts as verified, and the person who signed up with it keeps the password and sessions. A pending invitation ends without its roles.',
    ],
    [
      'Für die Adresse bürgen',
      'Sie gilt als bestätigt, und wer sich mit ihr registriert hat, behält Passwort und Sitzungen. Eine offene Einladung endet ohne ihre Rollen.',
    ],
  ),
  withdrawApplicationConsent: ends(
    ['Withdraw', 'The tokens of the application for this person end within a second.'],
    ['Entziehen', 'Die Tokens der Anwendung für diese Person enden binnen einer Sekunde.'],
  ),
};
