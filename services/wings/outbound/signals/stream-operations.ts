import { operation } from '#services/core/shared/operation.ts';
import {
  addStreamSubject,
  createStream,
  deleteStream,
  readStreamStatus,
  readStreams,
  removeStreamSubject,
  replaceStream,
  updateStream,
  updateStreamStatus,
  verifyStream,
} from './manage-streams.ts';
import {
  addStreamSubjectEndpoint,
  createStreamEndpoint,
  deleteStreamEndpoint,
  readStreamStatusEndpoint,
  readStreamsEndpoint,
  removeStreamSubjectEndpoint,
  replaceStreamEndpoint,
  updateStreamEndpoint,
  updateStreamStatusEndpoint,
  verifyStreamEndpoint,
} from './streams-contract.ts';

/** Streams of shared signals, for their receivers (SSF 1.0 §8). */
export const streamOperations = [
  operation(createStreamEndpoint, createStream),
  operation(readStreamsEndpoint, readStreams),
  operation(updateStreamEndpoint, updateStream),
  operation(replaceStreamEndpoint, replaceStream),
  operation(deleteStreamEndpoint, deleteStream),
  operation(readStreamStatusEndpoint, readStreamStatus),
  operation(updateStreamStatusEndpoint, updateStreamStatus),
  operation(addStreamSubjectEndpoint, addStreamSubject),
  operation(removeStreamSubjectEndpoint, removeStreamSubject),
  operation(verifyStreamEndpoint, verifyStream),
];
