import { defineSettings } from '../define/setting.ts';
import { flag, optionalUrl, wholeNumber } from './shapes.ts';
import type { Faces } from './wings.ts';

/** Where the MCP server is at the API's origin. */
export const MCP_PATH = '/mcp';

export const mcpSettings = defineSettings({
  copies: {
    env: 'MCP_COPIES',
    schema: wholeNumber(0, 0, 1),
    use: 'Whether `sallyport start` runs the MCP server in a process of its own on the port MCP_PORT (1); 0: clients use /mcp of the API.',
  },
  isInApi: {
    env: 'MCP_IN_API',
    schema: flag(true),
    use: 'Answer /mcp of the API in the processes of the API. false where a proxy passes that path on to processes of the MCP server, as containers and units do.',
  },
  port: { env: 'MCP_PORT', schema: wholeNumber(3001, 0, 65_535), use: 'Port the MCP server listens on.' },
  url: {
    env: 'MCP_URL',
    schema: optionalUrl(),
    use: 'Another public URL of the MCP server than /mcp of BETTER_AUTH_URL, such as that of MCP_PORT. Tokens for either are accepted.',
  },
});

/** Whether the processes of the API answer for the MCP server too. */
export const isMcpInApi = (config: {
  readonly mcp: { readonly isInApi: boolean };
  readonly faces: Pick<Faces, 'mcp'>;
}): boolean => config.faces.mcp && config.mcp.isInApi;

/** How many MCP servers a start runs; none where the installation leaves them out. */
export const mcpCopiesOf = (config: {
  readonly mcp: { readonly copies: number };
  readonly faces: Pick<Faces, 'mcp'>;
}): number => (config.faces.mcp ? config.mcp.copies : 0);
