import { operation } from '../shared/operation.ts';
import type { ApplicationView } from './application-shapes.ts';
import {
  declareApplicationEndpoint,
  deleteApplicationEndpoint,
  listApplicationsEndpoint,
} from './applications-contract.ts';
import { declareApplication, deleteApplication, listApplications } from './manage-applications.ts';

const line = ({ application, audience, permissions, roles }: ApplicationView): string =>
  [
    application.padEnd(16),
    audience,
    `permissions ${permissions.join(',') || 'none'}`,
    `roles ${Object.keys(roles).join(',') || 'none'}`,
  ].join('  ');

/** `sallyport apply` declares applications: its plan is shown before it asks. */
export const applicationOperations = [
  operation(declareApplicationEndpoint, declareApplication),
  operation(listApplicationsEndpoint, listApplications, {
    verb: 'applications list',
    help: 'list applications by name, with their permissions and roles',
    line,
  }),
  operation(deleteApplicationEndpoint, deleteApplication, {
    verb: 'applications delete <name>',
    arguments: { name: 'application' },
    help: 'delete an application with its permissions and roles; no user may have one of its roles',
    asks: ({ application }) => `delete the application ${application}`,
  }),
];
