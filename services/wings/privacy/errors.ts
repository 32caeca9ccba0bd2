import { defineError } from '#services/platform/define/error.ts';

/** One answer for every reason, so that a caller learns nothing about keys, subjects or purposes. */
export const phiUnreadable = defineError({
  code: 'phi_unreadable',
  title: 'Value cannot be decrypted',
  cause:
    'The envelope was changed, was encrypted for another purpose or by another installation, or its key is unknown.',
  fix: 'Send the envelope as `encrypt` returned it, with the purpose that was given then.',
});

export const phiShredded = defineError({
  code: 'phi_shredded',
  status: 410,
  title: 'Value was destroyed',
  cause: 'The data key of this subject was destroyed, so values encrypted before can never be decrypted again.',
  fix: 'Delete the envelope.',
});

export const phiSubjectUnknown = defineError({
  code: 'phi_subject_unknown',
  status: 404,
  title: 'Subject has no data keys',
  cause: 'Nothing was encrypted for this subject, or, for a shredding, its data keys were destroyed before.',
  fix: 'Check the subject id.',
});

export const phiRotationUnknown = defineError({
  code: 'phi_rotation_unknown',
  status: 404,
  title: 'Rotation not found',
  cause: 'No rotation of the PHI key has this id; finished rotations are deleted after six years.',
  fix: 'GET /v1/privacy/phi/keys shows the last rotation.',
});

/** This process has another key-encryption key than the one that sealed the PHI keys. */
export const phiKeyUnavailable = defineError({
  code: 'phi_key_unavailable',
  status: 503,
  title: 'PHI keys cannot be opened now',
  cause: 'The key-encryption key of this process does not open the PHI keys in the database.',
  fix: 'Retry after Retry-After. Operators: restart this process with the current KEY_ENCRYPTION_KEY.',
});
