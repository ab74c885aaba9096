"""Small formats that several rooms read or write: CSV for spreadsheets, Git LFS pointers, printed figures."""
