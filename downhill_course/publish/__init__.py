"""From pages to a site: built in three views, styled, shown as cards, served."""
