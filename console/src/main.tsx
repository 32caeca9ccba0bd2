import './style.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { movedTo } from './places.ts';
import { applyTheme } from './shell/theme.tsx';

const moved = movedTo(location.pathname + location.search);
if (moved !== undefined) history.replaceState(null, '', moved);
applyTheme();
const root = document.getElementById('console');
if (root !== null) render(<App />, root);
