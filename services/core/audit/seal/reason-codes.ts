/**
 * Every reason that our own code gives for an event. The public log shows these codes and only a commitment to any other
 * reason, so forgetting a code here hides it and never publishes a text from outside.
 */
export const REASON_CODES: ReadonlySet<string> = new Set(
  `account_deleted account_takeover address_proved client_changed client_deleted client_document_read code_reused
  consent_withdrawn credential_stuffing email_unverified ended_by_user enrol_totp event_unjudged factor_enrolled
  factor_removed factor_renamed failed_login_ratio hash_upgrade impossible_travel invitation_accepted issue_failed
  key_compromised link_account machine_sign_ups mailed_code owner owner_deleted password_changed password_guessing
  password_reset privilege_burst profile_changed recovery_codes_renewed refresh_token_overuse refresh_token_reuse
  refresh_token_reused restore_accepted revocation_budget revoked_by_client seed session_created session_deleted
  session_limit session_renewed sign_in sign_out sign_up signal_credential_change signal_session_revoked
  social_sign_in state_rewound step_up superseded token_replay token_theft unlink_account unusual_passkey
  user_changed user_created user_deleted`.split(/\s+/),
);
