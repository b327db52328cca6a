//! ELF bytes to typed views (dynamic section, versions, notes, fatbin entries); all reads bounded. Opens no files, knows no policy.
