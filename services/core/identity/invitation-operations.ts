import { operation } from '../shared/operation.ts';
import { inviteAgain, inviteUser } from './admin/invite-user.ts';
import { inviteAgainEndpoint, inviteUserEndpoint } from './contracts/invitation-contract.ts';

/** Invitations, in a list of their own: they verify digests, and so load the hashing libraries. */
export const invitationOperations = [
  operation(inviteUserEndpoint, inviteUser),
  operation(inviteAgainEndpoint, inviteAgain),
];
