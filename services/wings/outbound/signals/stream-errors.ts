import { defineError } from '#services/platform/define/error.ts';

export const signalStreamUnknown = defineError({
  code: 'signal_stream_unknown',
  status: 404,
  title: 'Stream not found',
  cause: 'No stream of shared signals has this id, or it belongs to another client.',
  fix: 'GET /ssf/streams lists your streams.',
});

export const signalStreamsMany = defineError({
  code: 'signal_streams_many',
  status: 409,
  title: 'Too many streams',
  cause: 'A receiver may have five streams, and an installation a hundred.',
  fix: 'Delete a stream that is not used.',
});

/** `detail` says what is wrong. */
export const signalStreamInvalid = defineError({
  code: 'signal_stream_invalid',
  title: 'Stream invalid',
  cause: 'The delivery of the stream is not supported: push needs an https URL without credentials and fragment.',
  fix: 'Correct what `detail` names; /.well-known/ssf-configuration lists what is supported.',
});

export const signalVerificationEarly = defineError({
  code: 'signal_verification_early',
  status: 429,
  title: 'Verification requested too soon',
  cause: 'The last verification of the stream was requested less than `min_verification_interval` seconds ago.',
  fix: 'Repeat it after Retry-After seconds.',
});
