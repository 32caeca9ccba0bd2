/**
 * What happened, as a sentence in each language: by the type of the event, or by type and outcome where that matters.
 * `{actor}`, `{target}` and `{client}` are the parties of the event; others are members of its detail, `{user:user_id}` one that
 * is the id of a user.
 */
const TABLE = `
audit.log_continued | {actor} accepted that a part of the log was lost, and began a new one | {actor} nahm hin, dass ein Teil des Protokolls verloren ist, und begann ein neues
audit.personal_erased | {actor} erased {values} personal values in the events of {target} | {actor} löschte {values} persönliche Werte in den Ereignissen von {target}
audit.row_refused | An event that claimed to be about a key was not sealed as such | Ein Ereignis, das vorgab, einen Schlüssel zu betreffen, wurde nicht als solches versiegelt
audit.sealing_resumed | The log is sealed again | Das Protokoll wird wieder versiegelt
audit.sealing_stopped | The log is not sealed any more: it does not fit its marks | Das Protokoll wird nicht mehr versiegelt: es passt nicht zu seinen Marken
key.compromised | {actor} removed the key {target} as compromised | {actor} entfernte den Schlüssel {target} als kompromittiert
key_encryption.changed | {actor} encrypted {values} keys and secrets under a new key | {actor} verschlüsselte {values} Schlüssel und Geheimnisse unter einem neuen Schlüssel
key.private_part_destroyed | The private part of the key {target} was destroyed | Der private Teil des Schlüssels {target} wurde vernichtet
key.published | The key {target} was published | Der Schlüssel {target} wurde veröffentlicht
key.stopped | The key {target} signs no more | Der Schlüssel {target} signiert nicht mehr
server_secret.created | The secret {target} was created | Das Geheimnis {target} wurde angelegt
server_secret.destroyed | The secret {target} was destroyed | Das Geheimnis {target} wurde vernichtet
limit.bypassed | {actor} went beyond the limit {limit}, as it may | {actor} überschritt die Grenze {limit}, was erlaubt war
access.denied | {actor} was denied {operation} | {actor} wurde {operation} verweigert
application.declared | {actor} declared the application {target} | {actor} erklärte die Anwendung {target}
application.deleted | {actor} deleted the application {target} | {actor} löschte die Anwendung {target}
client.changed | {actor} changed the client {target} | {actor} änderte den Client {target}
client.created | {actor} created the client {target} | {actor} legte den Client {target} an
client.deleted | {actor} deleted the client {target} | {actor} löschte den Client {target}
client.secret_rotated | {actor} replaced the secret of the client {target} | {actor} ersetzte das Geheimnis des Clients {target}
client.tokens_revoked | All tokens of the client {target} were revoked | Alle Tokens des Clients {target} wurden widerrufen
role.changed | {actor} changed the permissions of the role {target} | {actor} änderte die Berechtigungen der Rolle {target}
role.created | {actor} created the role {target} | {actor} legte die Rolle {target} an
role.deleted | {actor} deleted the role {target} | {actor} löschte die Rolle {target}
user.role_granted | {actor} granted {target} the role {role} | {actor} gab {target} die Rolle {role}
user.role_removed | {actor} took the role {role} from {target} | {actor} nahm {target} die Rolle {role}
revocations.collapsed | {collapsed} revocations were replaced by wider ones | {collapsed} Widerrufe wurden durch weiter reichende ersetzt
token.family_created | {actor} signed in at the client {client} | {actor} meldete sich beim Client {client} an
token.family_ended | A sign-in of {user:user_id} at the client {client} ended | Eine Anmeldung von {user:user_id} beim Client {client} endete
token.issued | {actor} got an access token | {actor} erhielt ein Access-Token
token.issued refused | {actor} was refused a token | {actor} wurde ein Token verweigert
token.refresh_overused | An old refresh token of {user:user_id} was presented too often | Ein altes Refresh-Token von {user:user_id} wurde zu oft vorgelegt
token.refresh_reused | A used refresh token of {user:user_id} was presented again | Ein verbrauchtes Refresh-Token von {user:user_id} wurde erneut vorgelegt
token.refreshed | A sign-in of {user:user_id} was renewed | Eine Anmeldung von {user:user_id} wurde erneuert
token.refreshed stale_copy | An older copy of a sign-in of {user:user_id} got the current token | Eine ältere Kopie einer Anmeldung von {user:user_id} erhielt das aktuelle Token
token.refreshed revoked | A revoked refresh token of {user:user_id} was refused | Ein widerrufenes Refresh-Token von {user:user_id} wurde abgelehnt
token.refreshed expired | An expired refresh token of {user:user_id} was refused | Ein abgelaufenes Refresh-Token von {user:user_id} wurde abgelehnt
token.refreshed mismatch | A refresh token of {user:user_id} was refused: it belongs to another client | Ein Refresh-Token von {user:user_id} wurde abgelehnt: es gehört einem anderen Client
token.refreshed unknown | An unknown refresh token was refused | Ein unbekanntes Refresh-Token wurde abgelehnt
token.replay_detected | A token of {user:user_id} was presented from elsewhere | Ein Token von {user:user_id} wurde von anderswo vorgelegt
token.revoked | {actor} revoked {target} | {actor} widerrief {target}
token.revoked refused | {actor} may not revoke {target} | {actor} darf {target} nicht widerrufen
token.revoked unknown | {actor} asked to revoke what is not there | {actor} wollte widerrufen, was es nicht gibt
token.state_rewound | The database is older than a refresh token of {user:user_id} | Die Datenbank ist älter als ein Refresh-Token von {user:user_id}
token.validations | {active} tokens were valid in a minute | {active} Tokens waren in einer Minute gültig
api_key.created | {actor} created the API key {target} | {actor} legte den API-Schlüssel {target} an
api_key.revoked | {actor} revoked the API key {target} | {actor} widerrief den API-Schlüssel {target}
api_key.rotated | {actor} replaced the secret of the API key {target} | {actor} ersetzte das Geheimnis des API-Schlüssels {target}
api_key.verifications | {active} API keys were valid in a minute | {active} API-Schlüssel waren in einer Minute gültig
account.linked | {actor} added a sign-in method to {target} | {actor} gab {target} eine Anmeldemethode
account.password_changed | {actor} changed the password of {target} | {actor} änderte das Passwort von {target}
account.password_rehashed | The password of {target} got a stronger hash | Das Passwort von {target} erhielt einen stärkeren Hash
account.password_taken_over | {target} brought the password of the former system | {target} brachte das Passwort des früheren Systems mit
account.unlinked | {actor} removed a sign-in method from {target} | {actor} entfernte eine Anmeldemethode von {target}
code.refused | A wrong, used or expired code for {target} was refused | Ein falscher, verbrauchter oder abgelaufener Code für {target} wurde abgelehnt
factor.enrolled | {actor} added a second factor to {target} | {actor} gab {target} einen zweiten Faktor
factor.removed | {actor} removed a second factor from {target} | {actor} entfernte einen zweiten Faktor von {target}
factor.renamed | {actor} renamed a passkey | {actor} benannte einen Passkey um
user.factors_reset | {actor} reset the second factors of {target} | {actor} setzte die zweiten Faktoren von {target} zurück
password.breach_unchecked | A new password of {target} was not compared with breached ones | Ein neues Passwort von {target} wurde nicht mit bekannt gewordenen verglichen
recovery_code.used | {target} used a recovery code and has {left} left | {target} verbrauchte einen Wiederherstellungscode und hat noch {left}
recovery_codes.made | {actor} made new recovery codes for {target} | {actor} erzeugte neue Wiederherstellungscodes für {target}
recovery_codes.voided | {left} recovery codes of {target} became invalid | {left} Wiederherstellungscodes von {target} wurden ungültig
session.created | {user:user_id} began a browser session | {user:user_id} begann eine Browser-Sitzung
session.renewed | {user:user_id} signed in again in a browser session | {user:user_id} meldete sich in einer Browser-Sitzung erneut an
session.ended | A browser session of {user:user_id} ended | Eine Browser-Sitzung von {user:user_id} endete
user.created | The account of {target} was created | Das Konto von {target} wurde angelegt
user.deleted | {actor} deleted the account of {target} | {actor} löschte das Konto von {target}
user.disabled | {actor} disabled the account of {target} | {actor} sperrte das Konto von {target}
user.email_changed | {actor} changed the e-mail address of {target} | {actor} änderte die E-Mail-Adresse von {target}
user.email_verified | {actor} verified the e-mail address of {target} | {actor} bestätigte die E-Mail-Adresse von {target}
user.enabled | {actor} enabled the account of {target} | {actor} entsperrte das Konto von {target}
user.helped | {actor} helped {target} with the address or the password | {actor} half {target} mit der Adresse oder dem Passwort
user.invited | {actor} invited {target} | {actor} lud {target} ein
user.login | {target} signed in | {target} meldete sich an
user.login refused | A sign-in of {target} was refused | Eine Anmeldung von {target} wurde abgelehnt
user.login second_factor_asked | {target} was asked for a second factor | {target} wurde nach einem zweiten Faktor gefragt
user.login locked | A sign-in of {target} was refused while it is locked | Eine Anmeldung von {target} wurde während einer Sperre abgelehnt
user.login uncompared | A password of {target} was not compared by the former system | Ein Passwort von {target} wurde vom früheren System nicht verglichen
user.login_locked | {failures} wrong passwords locked sign-in of {target} for {seconds} seconds | {failures} falsche Passwörter sperrten die Anmeldung von {target} für {seconds} Sekunden
user.profile_changed | {actor} changed the profile of {target} | {actor} änderte das Profil von {target}
user.stepped_up | {actor} confirmed who they are | {actor} bestätigte die eigene Identität
user.stepped_up refused | {actor} could not confirm who they are | {actor} konnte die eigene Identität nicht bestätigen
user.tokens_revoked | All sign-ins of {target} ended | Alle Anmeldungen von {target} endeten
user.unlocked | {actor} unlocked {target} after {failures} wrong passwords | {actor} entsperrte {target} nach {failures} falschen Passwörtern
oauth.authorized | {actor} signed in at the client {client} with a code | {actor} meldete sich beim Client {client} mit einem Code an
oauth.authorized denied | {actor} did not allow the client {client} a sign-in | {actor} erlaubte dem Client {client} keine Anmeldung
oauth.code_reused | A used authorization code of the client {client} was presented again | Ein verbrauchter Autorisierungscode des Clients {client} wurde erneut vorgelegt
oauth.consent_granted | {actor} allowed the client {client} access | {actor} erlaubte dem Client {client} den Zugriff
oauth.consent_withdrawn | {actor} withdrew a consent, which ended {logins} sign-ins | {actor} zog eine Zustimmung zurück, was {logins} Anmeldungen beendete
oauth.device_decided | {actor} signed a device in | {actor} meldete ein Gerät an
oauth.device_decided denied | {actor} did not sign a device in | {actor} meldete ein Gerät nicht an
oauth.identity_asserted issued | The client {client} got an assertion of {target} for another server | Der Client {client} erhielt eine Bestätigung von {target} für einen anderen Server
oauth.identity_asserted redeemed | The client {client} redeemed an assertion of {target} | Der Client {client} löste eine Bestätigung von {target} ein
oauth.logout_token_sent | The client {client} was told that a session ended | Der Client {client} erfuhr, dass eine Sitzung endete
oauth.logout_token_sent given_up | The client {client} could not be told that a session ended | Der Client {client} war nicht zu erreichen, als eine Sitzung endete
oauth.logout_token_sent dropped | The client {client} need not be told any more that a session ended | Der Client {client} muss nicht mehr erfahren, dass eine Sitzung endete
incident.event_retried | {actor} had the event {seq} evaluated again | {actor} ließ das Ereignis {seq} erneut auswerten
incident.event_set_aside | The event {seq} could not be evaluated | Das Ereignis {seq} ließ sich nicht auswerten
incident.acted end_session | Sallyport ended a session because of {target} | Sallyport beendete wegen {target} eine Sitzung
incident.acted block_network | Sallyport blocked a network because of {target} | Sallyport sperrte wegen {target} ein Netz
incident.acted revoke_sessions | Sallyport ended all sessions because of {target} | Sallyport beendete wegen {target} alle Sitzungen
incident.acted step_up | Sallyport required more than a password because of {target} | Sallyport verlangte wegen {target} mehr als ein Passwort
incident.changed acknowledged | {actor} took on {target} | {actor} übernahm {target}
incident.changed closed | {actor} closed {target} | {actor} schloss {target}
incident.raised | {target} was raised: {detection} | {target} wurde ausgelöst: {detection}
operations.installation_recorded | The installation started with other settings: {changed} | Die Installation startete mit anderen Einstellungen: {changed}
operations.queue_changed | {actor} asked for a change of {target}: {action} | {actor} verlangte eine Änderung an {target}: {action}
operations.release_deployed | Release {version} was deployed | Release {version} wurde ausgerollt
operations.release_rolled_back | {actor} rolled back to release {version} | {actor} kehrte zu Release {version} zurück
phi.break_glass_opened | {user:user_id} opened emergency access to {target} | {user:user_id} öffnete einen Notfallzugriff auf {target}
phi.break_glass_reviewed justified | {user:reviewed_by} found the emergency access of {user:user_id} justified | {user:reviewed_by} hielt den Notfallzugriff von {user:user_id} für gerechtfertigt
phi.break_glass_reviewed unjustified | {user:reviewed_by} found the emergency access of {user:user_id} unjustified | {user:reviewed_by} hielt den Notfallzugriff von {user:user_id} für nicht gerechtfertigt
phi.consent_recorded granted | {actor} recorded a consent of {target} | {actor} hielt eine Einwilligung von {target} fest
phi.consent_recorded withdrawn | {actor} recorded that a consent of {target} was withdrawn | {actor} hielt fest, dass eine Einwilligung von {target} widerrufen ist
phi.policy_changed set | {actor} set what the role {target} may see of health data | {actor} legte fest, was die Rolle {target} von Gesundheitsdaten sehen darf
phi.policy_changed deleted | {actor} deleted what the role {target} may see of health data | {actor} löschte, was die Rolle {target} von Gesundheitsdaten sehen darf
phi.hold_changed placed | {actor} placed a legal hold on {target} | {actor} stellte {target} unter eine Aufbewahrungspflicht
phi.hold_changed ended | {actor} ended a legal hold on {target} | {actor} beendete eine Aufbewahrungspflicht für {target}
phi.accessed | {actor} used health data of {target} | {actor} nutzte Gesundheitsdaten von {target}
phi.decrypted | {actor} decrypted a value about {target} | {actor} entschlüsselte einen Wert über {target}
phi.decrypted refused | {actor} was refused a value about {target} | {actor} wurde ein Wert über {target} verweigert
phi.disclosed | {actor} disclosed health data of {target} to a third party | {actor} legte Dritten Gesundheitsdaten von {target} offen
phi.encrypted | {actor} encrypted a value about {target} | {actor} verschlüsselte einen Wert über {target}
phi.key_created | {actor} created a key for health data | {actor} legte einen Schlüssel für Gesundheitsdaten an
phi.keys_rotated started | {actor} began to replace the keys of health data | {actor} begann, die Schlüssel der Gesundheitsdaten zu ersetzen
phi.keys_rotated done | The keys of health data were replaced; {destroyed_keys} were destroyed | Die Schlüssel der Gesundheitsdaten wurden ersetzt; {destroyed_keys} wurden vernichtet
phi.shredded | {actor} destroyed {destroyed_keys} keys of {target} | {actor} vernichtete {destroyed_keys} Schlüssel von {target}
phi.request_done export | The health data of {target} were exported | Die Gesundheitsdaten von {target} wurden exportiert
phi.request_done deletion | {destroyed_keys} keys of {target} were destroyed on request | {destroyed_keys} Schlüssel von {target} wurden auf Verlangen vernichtet
phi.requested export | {actor} asked for the health data of {target} | {actor} verlangte die Gesundheitsdaten von {target}
phi.requested deletion | {actor} asked to destroy the keys of {target} | {actor} verlangte die Vernichtung der Schlüssel von {target}
phi.restriction_changed added | {actor} restricted the use of health data of {target} | {actor} beschränkte die Nutzung der Gesundheitsdaten von {target}
phi.restriction_changed ended | {actor} ended a restriction of health data of {target} | {actor} beendete eine Beschränkung der Gesundheitsdaten von {target}
retention.applied removed | Records past their retention were removed | Datensätze jenseits ihrer Aufbewahrung wurden entfernt
retention.applied counted | Records past their retention were counted | Datensätze jenseits ihrer Aufbewahrung wurden gezählt
retention.policy_changed | {actor} set the retention of {kind} to {keep_days} days | {actor} setzte die Aufbewahrung von {kind} auf {keep_days} Tage
retention.requested run | {actor} asked to remove records past their retention | {actor} verlangte, Datensätze jenseits ihrer Aufbewahrung zu entfernen
retention.requested dry_run | {actor} asked to count records past their retention | {actor} verlangte, Datensätze jenseits ihrer Aufbewahrung zu zählen
handoff.given_up | The event {seq} was not accepted after {attempts} attempts | Das Ereignis {seq} wurde nach {attempts} Versuchen nicht angenommen
handoff.replayed | {actor} had the event {seq} sent again | {actor} ließ das Ereignis {seq} erneut senden
siem.event_skipped | A SIEM refused the event {seq}, which was left out | Ein SIEM lehnte das Ereignis {seq} ab, das ausgelassen wurde
siem.replayed | {actor} had a SIEM sent the events from {seq} on again | {actor} ließ einem SIEM die Ereignisse ab {seq} erneut senden
signal.received applied | A signal of another system ended every sign-in of its user | Ein Signal eines anderen Systems beendete jede Anmeldung seines Benutzers
signal.received no_user | A signal of another system was about no user of this installation | Ein Signal eines anderen Systems betraf keinen Benutzer dieser Installation
signal.received ignored | A signal of another system asked for nothing | Ein Signal eines anderen Systems verlangte nichts
signal.stream_changed created | {actor} created a stream of signals | {actor} legte einen Strom von Signalen an
signal.stream_changed changed | {actor} changed a stream of signals | {actor} änderte einen Strom von Signalen
signal.stream_changed deleted | {actor} deleted a stream of signals | {actor} löschte einen Strom von Signalen
signal.stream_verified | {actor} had a stream of signals verified | {actor} ließ einen Strom von Signalen prüfen
signal.limited | A transmitter ended as many sign-ins as it may in a minute | Ein Sender beendete so viele Anmeldungen, wie er in einer Minute darf
signal.transmitter_changed created | {actor} accepted a transmitter of signals | {actor} nahm einen Sender von Signalen an
signal.transmitter_changed removed | {actor} removed a transmitter of signals | {actor} entfernte einen Sender von Signalen
alert.changed acknowledged | {actor} took on an alert | {actor} übernahm einen Alarm
alert.changed resolved | {actor} resolved an alert | {actor} erledigte einen Alarm
alert.given_up | A message about {firing} alerts was not accepted after {attempts} attempts | Eine Nachricht über {firing} Alarme wurde nach {attempts} Versuchen nicht angenommen
alert.reported | A monitoring system reported {raised} new and {resolved} ended alerts | Ein Überwachungssystem meldete {raised} neue und {resolved} beendete Alarme
alert.silenced begun | {actor} silenced alerts | {actor} stellte Alarme stumm
alert.silenced ended | {actor} ended a silence of alerts | {actor} beendete eine Stummschaltung von Alarmen
alert.target_changed created | {actor} added a target of alerts | {actor} fügte ein Ziel von Alarmen hinzu
alert.target_changed changed | {actor} changed a target of alerts | {actor} änderte ein Ziel von Alarmen
alert.target_changed removed | {actor} removed a target of alerts | {actor} entfernte ein Ziel von Alarmen
alert.target_tested | {actor} tested a target of alerts | {actor} prüfte ein Ziel von Alarmen
signoff.approval_void | The approval of {user:user_id} no longer counts for {target} | Die Zustimmung von {user:user_id} zählt bei {target} nicht mehr
signoff.decided approve | {user:user_id} approved {target} | {user:user_id} stimmte {target} zu
signoff.decided deny | {user:user_id} denied {target} | {user:user_id} lehnte {target} ab
signoff.finished done | {target} was carried out | {target} wurde ausgeführt
signoff.finished failed | {target} failed | {target} schlug fehl
signoff.pinged | The client {client} was told of the decision about {target} | Der Client {client} erfuhr von der Entscheidung über {target}
signoff.pinged given_up | The client {client} could not be told of the decision about {target} | Der Client {client} war bei der Entscheidung über {target} nicht zu erreichen
signoff.pinged dropped | The client {client} need not be told of the decision about {target} | Der Client {client} muss von der Entscheidung über {target} nicht erfahren
signoff.refused | {target} was not started | {target} wurde nicht begonnen
signoff.requested | {actor} asked for {target} | {actor} bat um {target}
signoff.started | {actor} began to carry out {target} | {actor} begann, {target} auszuführen
agent.changed | {target} reported {capabilities} capabilities | {target} meldete {capabilities} Fähigkeiten
agent.credentials_checked | The credentials of {target} were right | Die Zugangsdaten von {target} waren richtig
agent.credentials_checked refused | Credentials of {target} were refused | Zugangsdaten von {target} wurden abgelehnt
agent.killed | {actor} killed {target} of {user:owner_id} for good | {actor} beendete {target} von {user:owner_id} endgültig
agent.limits_changed | {actor} limited what {target} may start in a day | {actor} begrenzte, was {target} am Tag beginnen darf
agent.registered | {actor} registered {target} for {user:owner_id} | {actor} registrierte {target} für {user:owner_id}
operations.mcp_called | {actor} called a tool | {actor} rief ein Werkzeug auf
operations.mcp_called failed | {actor} called a tool, which failed | {actor} rief ein Werkzeug auf, was fehlschlug
import.batch | {new} users were imported, {changed} changed, {rejected} rejected | {new} Benutzer wurden importiert, {changed} geändert, {rejected} abgelehnt
import.finished | The import ended with {new} new users and {rejected} rejected | Der Import endete mit {new} neuen Benutzern und {rejected} abgelehnten
import.finished failed | The import failed after {new} new users | Der Import schlug nach {new} neuen Benutzern fehl
import.started | {actor} began an import of {kind} | {actor} begann einen Import von {kind}
import.users_exported | {actor} exported {users} users | {actor} exportierte {users} Benutzer
legacy.event_applied | An event of the former provider was applied to {target} | Ein Ereignis des früheren Anbieters wurde auf {target} angewandt
legacy.event_applied dropped | An event of the former provider about {target} was dropped | Ein Ereignis des früheren Anbieters zu {target} wurde verworfen
legacy.session_exchanged | {target} brought a session of the former provider | {target} brachte eine Sitzung des früheren Anbieters mit
legacy.session_exchanged refused | A session of the former provider was refused | Eine Sitzung des früheren Anbieters wurde abgelehnt
legacy.webhook_refused | A webhook of the former provider was refused | Ein Webhook des früheren Anbieters wurde abgelehnt
compliance.control_attested | {actor} attested {target} | {actor} bescheinigte {target}
compliance.control_changed | {target} was checked | {target} wurde geprüft
compliance.control_changed pass | {target} passes | {target} ist erfüllt
compliance.control_changed fail | {target} fails with {exceptions} exceptions | {target} ist mit {exceptions} Ausnahmen nicht erfüllt
compliance.evidence_collected | Evidence of {target} was collected | Ein Nachweis zu {target} wurde gesammelt
compliance.report_built | A compliance report was built and signed | Ein Compliance-Bericht wurde erstellt und signiert
compliance.report_ended cancelled | {actor} cancelled a compliance report | {actor} brach einen Compliance-Bericht ab
compliance.report_ended failed | A compliance report failed | Ein Compliance-Bericht schlug fehl
compliance.report_requested | {actor} asked for a compliance report | {actor} verlangte einen Compliance-Bericht
compliance.violation_changed | {actor} changed the violation of {target} | {actor} änderte den Verstoß bei {target}
compliance.violation_changed open | {target} is violated | Gegen {target} wird verstoßen
compliance.violation_changed resolved | {target} is violated no more | Gegen {target} wird nicht mehr verstoßen
monitoring.report_made | A security report was made | Ein Sicherheitsbericht wurde erstellt
monitoring.report_made failed | A security report failed | Ein Sicherheitsbericht schlug fehl
monitoring.report_requested | {actor} asked for a security report | {actor} verlangte einen Sicherheitsbericht
operations.backup_restored | {actor} restored a backup | {actor} stellte eine Sicherung wieder her
operations.feed_restored | {actor} restored {revocations} lost revocations | {actor} stellte {revocations} verlorene Widerrufe wieder her
operations.restore_accepted | {actor} accepted what a restored database lost | {actor} nahm hin, was einer wiederhergestellten Datenbank fehlt
operations.restore_rehearsed | A backup with {rows} rows was restored for a test | Eine Sicherung mit {rows} Zeilen wurde zur Probe wiederhergestellt
operations.restore_rehearsed failed | A backup could not be restored for a test | Eine Sicherung ließ sich nicht zur Probe wiederherstellen
`;

export const eventSentences: ReadonlyMap<string, readonly string[]> = new Map(
  TABLE.trim()
    .split('\n')
    .map((line) => {
      const [event = '', ...sentences] = line.split(' | ');
      return [event, sentences];
    }),
);

type Party = { readonly kind: string; readonly id: string | null };
/** What a sentence needs of an event, as the API shows it. */
type SaidEvent = {
  readonly type: string;
  readonly outcome: string;
  readonly actor: Party;
  readonly target: Party | null;
  readonly client_id: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
};

const partyText = ({ kind, id }: Party): string => (id === null ? kind : `${kind} ${id}`);

/** As text with ids, for terminals, which have no names of people; undefined for an event of a later release. */
export function plainSentence({ type, outcome, actor, target, client_id, detail }: SaidEvent): string | undefined {
  const [sentence] = eventSentences.get(`${type} ${outcome}`) ?? eventSentences.get(type) ?? [];
  const known: Readonly<Record<string, unknown>> = {
    ...detail,
    actor: partyText(actor),
    target: target && partyText(target),
    client: client_id && `client ${client_id}`,
  };
  return sentence?.replaceAll(/\{(?:(\w+):)?(\w+)\}/g, (_, kind: string | undefined, name: string) => {
    const values = [known[name]].flat();
    // Left out, or erased.
    if (!values.every((value) => ['string', 'number'].includes(typeof value))) return '…';
    return [...(kind === undefined ? [] : [kind]), values.join(', ')].join(' ');
  });
}
