import { effects, seen, undoing } from './generated/detections.ts';
import { inLanguages } from './in-languages.ts';

/** What each detection saw. */
export const seenTexts = inLanguages({
  en: seen,
  de: {
    password_guessing: 'Falsche Passwörter für ein Konto haben es für unbekannte Geräte gesperrt.',
    credential_stuffing:
      'Aus einem Netz wurden binnen 15 Minuten Passwörter für 50 Benutzernamen probiert, und die meisten waren falsch.',
    failed_login_ratio:
      'Neun von zehn der letzten 200 Anmeldungen, alle binnen zehn Minuten, wurden abgelehnt: Passwörter werden aus vielen Netzen geraten.',
    account_takeover:
      'Eine Anmeldung von einem unbekannten Gerät gelang, in einem Netz, das viele Benutzernamen probierte.',
    impossible_travel:
      'Ein Benutzer meldete sich von einem unbekannten Gerät in einem Land an, in das er in der Zeit nicht reisen konnte; oder, wo kein Land bekannt ist, in einem anderen Netz, keine zehn Minuten nachdem er anderswo aktiv war.',
    unusual_passkey:
      'Eine Anmeldung mit Passkey von einem unbekannten Gerät, in einem Netz, das viele Benutzernamen probierte, oder während der Benutzer anderswo aktiv war.',
    refresh_token_reuse:
      'Ein verbrauchtes Refresh-Token wurde noch einmal vorgelegt, also hatten es zwei Seiten; die Token-Familie ist beendet.',
    signal_storm:
      'Ein Absender gemeinsamer Signale beendete die Sitzungen von mehr Benutzern in einer Minute, als er darf.',
    refresh_token_overuse:
      'Ein Refresh-Token wurde öfter vorgelegt, als die Schonfrist erlaubt; keine Sitzung wurde beendet.',
    token_replay:
      'Ein Access-Token wurde von einer anderen Adresse oder mit einem anderen User-Agent vorgelegt als zuerst.',
    break_glass:
      'Ein Benutzer hat im Notfall die Gesundheitsdaten einer Person geöffnet; ein anderer Benutzer muss das prüfen.',
    reported_incident:
      'Eine Anwendung, die Sallyport einbettet, hat einen Vorfall gemeldet, mit eigener Art und eigener Schwere.',
    agent_anomaly:
      'Ein Agent wollte einen Vorgang mit anderen Argumenten ausführen, als Menschen freigegeben haben; oder Zugangsdaten eines gestoppten, abgelaufenen oder deaktivierten Agenten wurden benutzt; oder ein Agent wich in zwei Punkten zugleich von seinem bisherigen Verhalten ab: neue Arten von Vorgängen, Häufigkeit, Uhrzeit, Ablehnungen.',
    token_theft: 'Zwei Programme in zwei Netzen benutzten die Refresh-Tokens einer Familie zur selben Zeit.',
    privilege_burst:
      'Ein Benutzer oder Client vergab binnen zehn Minuten dreimal Rechte zur Verwaltung dieser Installation: Rollen, Berechtigungen von Rollen, API-Schlüssel oder Scopes von Clients.',
    machine_sign_ups:
      'Mindestens zwölf Konten entstanden binnen einer halben Stunde, aus einem Netz oder mit durchgezählten Adressen eines Musters, deren Mail nicht gelesen wurde.',
    state_rewound: 'Ein Refresh-Token ist neuer als seine Zeile in der Datenbank: die Datenbank hat Commits verloren.',
    event_unjudged:
      'Ein Ereignis konnte binnen einer Viertelstunde zehnmal nicht ausgewertet werden, also wurde seinetwegen nichts getan. Andere Ereignisse sind nicht betroffen.',
  },
});

/** The names of actions, as what happened. */
export const actionNames = inLanguages({
  en: {
    end_session: 'Session ended',
    block_network: 'Network blocked',
    revoke_sessions: 'All sessions ended',
    step_up: 'More than a password required',
  } satisfies Record<keyof typeof effects, string>,
  de: {
    end_session: 'Sitzung beendet',
    block_network: 'Netz gesperrt',
    revoke_sessions: 'Alle Sitzungen beendet',
    step_up: 'Mehr als ein Passwort verlangt',
  },
});

export const effectTexts = inLanguages({
  en: effects,
  de: {
    end_session:
      'Die neue Sitzung wurde beendet, die bekannten Geräte des Kontos wurden vergessen, und was seit der Anmeldung zum Konto hinzukam, wurde entfernt: zweite Faktoren, verknüpfte Konten, API-Schlüssel, Einwilligungen. War diese Sitzung schon ersetzt oder eine weitere geöffnet, endeten alle Sitzungen, Tokens und API-Schlüssel des Benutzers.',
    block_network:
      'Eine Stunde lang werden Passwörter von unbekannten Geräten in diesem Netz abgelehnt. Bekannte Geräte und Passkeys melden sich an wie zuvor.',
    revoke_sessions:
      'Alle Sitzungen, Tokens und API-Schlüssel des Benutzers wurden beendet und die bekannten Geräte des Kontos vergessen. War eine Anmeldung die Ursache, wurde auch entfernt, was seitdem zum Konto hinzukam.',
    step_up:
      'Von einem unbekannten Gerät genügt weder das Passwort allein noch ein anderer Anbieter allein; ein Passkey, ein zweiter Faktor nach dem Anbieter oder ein Code aus einer Mail genügt. Ein Code ging an die bestätigte Adresse des Kontos, einmal je Sperre.',
  },
});

export const undoTexts = inLanguages({
  en: undoing,
  de: {
    end_session:
      'Was beendet wurde, kommt nicht zurück: Der Benutzer meldet sich neu an und fügt wieder hinzu, was er selbst hinzugefügt hatte.',
    block_network:
      'Die Sperre endet nach einer Stunde von selbst. Bis dahin meldet sich ein Benutzer in diesem Netz mit einem Passkey an oder gibt den Browser mit einem Code aus einer Mail unter /account/unlock frei.',
    revoke_sessions:
      'Was beendet wurde, kommt nicht zurück: Der Benutzer meldet sich neu an und legt neue API-Schlüssel an.',
    step_up:
      'Der Inhaber gibt den Code aus der Mail ein oder fordert unter /account/unlock einen an. Auch ein Administrator kann das Konto freigeben, nachdem das Passwort zurückgesetzt wurde: Bis dahin kennt es vielleicht ein Angreifer.',
  },
});
