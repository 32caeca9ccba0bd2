import { defineSettings } from '../define/setting.ts';
import { optionalUrl, wholeNumber } from './shapes.ts';

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
