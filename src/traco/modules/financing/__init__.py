"""Financing of invoices: requests, offers, receivables and their payment, and no invoice financed twice."""
