// One line per function: its path says integration, kind and name.
import './github/syncs/repositories.js';
