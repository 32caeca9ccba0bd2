import { z } from 'zod';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { manages, pageQuery, reads, reason } from './admin-shapes.ts';
import { applicationChanges, applicationShape, declarationShape } from './application-shapes.ts';
import { applicationRoleHeld, applicationUnknown, declarationInvalid } from './errors.ts';
import { applicationsManage, applicationsRead } from './permissions.ts';

const defineEndpoint = endpointsOf('Applications');

export const listApplicationsEndpoint = defineEndpoint({
  path: '/v1/admin/applications',
  operation: 'listApplications',
  summary: 'List applications with their permissions and roles',
  auth: reads(applicationsRead),
  query: z.strictObject(pageQuery),
  responses: { 200: z.object({ applications: z.array(applicationShape), next: z.string().nullable() }) },
});

export const declareApplicationEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/applications',
  operation: 'declareApplication',
  summary: 'Create an application or change it to what is declared; a removed permission revokes tokens that carry it',
  auth: manages(applicationsManage),
  /** With `dry_run` the response says what would change. */
  body: declarationShape.extend({ dry_run: z.boolean().optional(), reason }),
  responses: { 200: z.object({ application: applicationShape, changes: applicationChanges, dry_run: z.boolean() }) },
  errors: [declarationInvalid, applicationRoleHeld],
});

export const deleteApplicationEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/v1/admin/applications/{application}',
  operation: 'deleteApplication',
  summary: 'Delete an application whose roles no user has; tokens with its permissions are revoked',
  auth: manages(applicationsManage),
  params: z.strictObject({ application: z.string().regex(/^[a-z][a-z0-9-]{0,29}$/) }),
  query: z.strictObject({ reason }),
  responses: { 204: null },
  errors: [applicationUnknown, applicationRoleHeld],
});
