import './style.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { applyTheme } from './shell/theme.tsx';

applyTheme();
const root = document.getElementById('console');
if (root !== null) render(<App />, root);
