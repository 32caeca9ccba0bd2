import { defineSettings } from '../define/setting.ts';
import { optionalUrl, wholeNumber } from './shapes.ts';
import { hasWing, type WingSettings } from './wings.ts';

/** Where the MCP server is at the API's origin. */
export const MCP_PATH = '/mcp';

export const mcpSettings = defineSettings({
  copies: {
    env: 'MCP_COPIES',
    schema: wholeNumber(1, 0, 64),
    use: 'Number of MCP server processes (copies) that `sallyport start` runs on one port; 0: none.',
  },
  port: { env: 'MCP_PORT', schema: wholeNumber(3001, 0, 65_535), use: 'Port the MCP server listens on.' },
  url: {
    env: 'MCP_URL',
    schema: optionalUrl(),
    use: 'Public URL of the MCP server, and the audience of its tokens; unset: /mcp at the address it listens on.',
  },
});

/** How many MCP servers a start runs; none where the installation leaves them out. */
export const mcpCopiesOf = (config: {
  readonly mcp: { readonly copies: number };
  readonly wings: WingSettings;
}): number => (hasWing(config.wings, 'mcp') ? config.mcp.copies : 0);
